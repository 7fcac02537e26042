// SPDX-License-Identifier: Apache-2.0
#include "engine/site_rates.h"

#include <algorithm>
#include <cmath>

namespace longhaul::engine {
namespace {

/// With less, nobody could be the first to go faster.
constexpr double kAhead = 1.05;
constexpr double kNews = 0.002;

}  // namespace

SiteRates::SiteRates(int site_size, int sites)
    : mine_(static_cast<std::size_t>(sites), 0),
      heard_(static_cast<std::size_t>(site_size), mine_),
      owed_(static_cast<std::size_t>(site_size), false) {}

void SiteRates::believe(int site, double bytes_per_second) {
  const auto index = static_cast<std::size_t>(site);
  if (std::abs(bytes_per_second - mine_[index]) <= kNews * mine_[index]) return;
  mine_[index] = bytes_per_second;
  std::fill(owed_.begin(), owed_.end(), true);
}

void SiteRates::encode(ByteWriter* writer) const {
  for (const double rate : mine_) writer->u64(static_cast<std::uint64_t>(rate));
}

bool SiteRates::hear(int peer, ConstBytes message) {
  if (message.size() != bytes()) return false;
  ByteReader reader(message);
  for (double& rate : heard_[static_cast<std::size_t>(peer)]) rate = static_cast<double>(reader.u64());
  return true;
}

double SiteRates::most(int site) const {
  double least = kNoLimit;
  for (const std::vector<double>& rates : heard_)
    if (const double rate = rates[static_cast<std::size_t>(site)]; rate > 0) least = std::min(least, rate);
  return least < kNoLimit ? kAhead * least : kNoLimit;
}

}  // namespace longhaul::engine
