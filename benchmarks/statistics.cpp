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

std::vector<double> across_ranks(const std::vector<double>& all, std::size_t iterations, Across across) {
  std::vector<double> times(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(iterations));
  if (across == Across::Rank0) return times;
  for (std::size_t i = iterations; i < all.size(); ++i) {
    double& slot = times[i % iterations];
    if (across == Across::Min) slot = std::min(slot, all[i]);
    if (across == Across::Max) slot = std::max(slot, all[i]);
    if (across == Across::Mean) slot += all[i];
  }
  if (across == Across::Mean)
    for (double& time : times) time *= static_cast<double>(iterations) / static_cast<double>(all.size());
  return times;
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
