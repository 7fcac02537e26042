// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/statistics.h"

#include <algorithm>
#include <cmath>

namespace longhaul::perf {

Times summarise(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const std::size_t n = samples.size();
  const std::size_t middle = n / 2;
  const auto rank = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(n)));
  Times times;
  times.median = n % 2 ? samples[middle] : (samples[middle - 1] + samples[middle]) / 2;
  times.min = samples.front();
  times.p99 = samples[std::max<std::size_t>(rank, 1) - 1];
  return times;
}

std::vector<double> slowest_rank(const std::vector<double>& all, std::size_t iterations) {
  std::vector<double> slowest(iterations, 0);
  for (std::size_t i = 0; i < all.size(); ++i) {
    double& slot = slowest[i % iterations];
    slot = std::max(slot, all[i]);
  }
  return slowest;
}

double algorithm_bandwidth(double bytes, double microseconds) {
  return microseconds > 0 ? bytes / microseconds * 1e-3 : 0;
}

double bus_bandwidth(double algorithm_bandwidth, int ranks) { return algorithm_bandwidth * 2 * (ranks - 1) / ranks; }

std::optional<double> limit_seconds(double payload_bytes, const Link& link) {
  if (!link.bits_per_s && !link.rtt_s) return std::nullopt;
  const double transfer = link.bits_per_s ? payload_bytes * 8 / (*link.bits_per_s * kTcpPayloadShare) : 0;
  return transfer + link.rtt_s.value_or(0) / 2;
}

}  // namespace longhaul::perf
