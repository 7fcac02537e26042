// SPDX-License-Identifier: Apache-2.0
#include "link/delivery_meter.h"

#include <algorithm>

namespace longhaul::link {
namespace {

constexpr std::size_t kMostLooks = 1024;
/// Fewer say nothing about a middle.
constexpr std::size_t kLeastLooks = 16;
constexpr double kBegin = 0.15, kEnd = 0.75;

}  // namespace

void DeliveryMeter::start(TimeNs spacing) {
  spacing_ = spacing;
  looks_.clear();
  looks_.reserve(kMostLooks);
}

void DeliveryMeter::on_delivered(std::uint64_t total_bytes, TimeNs now) {
  if (spacing_ == kNever || looks_.size() == kMostLooks) return;
  if (looks_.empty() || (now - looks_.back().time >= spacing_ && total_bytes > looks_.back().bytes)) looks_.push_back({now, total_bytes});
}

/// Between two looks bytes arrive evenly, as far as anybody knows.
TimeNs DeliveryMeter::time_of(double bytes) const {
  const auto after = std::lower_bound(looks_.begin() + 1, looks_.end() - 1, bytes,
                                      [](const Look& look, double wanted) { return static_cast<double>(look.bytes) < wanted; });
  const Look& before = *(after - 1);
  const double part = (bytes - static_cast<double>(before.bytes)) / static_cast<double>(after->bytes - before.bytes);
  return before.time + static_cast<TimeNs>(part * static_cast<double>(after->time - before.time));
}

double DeliveryMeter::rate() const {
  if (looks_.size() < kLeastLooks) return 0;
  const auto first = static_cast<double>(looks_.front().bytes), all = static_cast<double>(looks_.back().bytes) - first;
  const TimeNs took = time_of(first + kEnd * all) - time_of(first + kBegin * all);
  return took > 0 ? (kEnd - kBegin) * all * 1e9 / static_cast<double>(took) : 0;
}

}  // namespace longhaul::link
