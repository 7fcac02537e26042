// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/gpu_phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace longhaul::perf {
namespace {

/// What is busy for a smaller part of the call does not limit it: distance does, or the host.
constexpr double kBusy = 0.5;

}  // namespace

GpuPhases phases_between(const lhStats_t& before, const lhStats_t& after, int calls) {
  const auto ms = [&](std::uint64_t from, std::uint64_t to) { return static_cast<double>(to - from) / 1e6 / calls; };
  return {.reduce_scatter_ms = ms(before.gpuReduceScatterNs, after.gpuReduceScatterNs),
          .encode_ms = ms(before.gpuEncodeNs, after.gpuEncodeNs),
          .decode_ms = ms(before.gpuDecodeNs, after.gpuDecodeNs),
          .all_gather_ms = ms(before.gpuAllGatherNs, after.gpuAllGatherNs),
          .limit = {}};
}

std::optional<GpuPhases> slowest_phases(const std::vector<GpuPhases>& ranks, double call_ms,
                                        std::optional<double> link_percent) {
  GpuPhases most;
  double collecting = 0;  // reducing and encoding of one rank
  for (const GpuPhases& rank : ranks) {
    most.reduce_scatter_ms = std::max(most.reduce_scatter_ms, rank.reduce_scatter_ms);
    most.encode_ms = std::max(most.encode_ms, rank.encode_ms);
    most.decode_ms = std::max(most.decode_ms, rank.decode_ms);
    most.all_gather_ms = std::max(most.all_gather_ms, rank.all_gather_ms);
    collecting = std::max(collecting, rank.reduce_scatter_ms + rank.encode_ms);
  }
  if (call_ms <= 0 || collecting + most.decode_ms + most.all_gather_ms <= 0) return std::nullopt;
  const std::pair<const char*, double> candidates[] = {{"reduce-scatter + encode", collecting / call_ms},
                                                       {"decode", most.decode_ms / call_ms},
                                                       {"all-gather", most.all_gather_ms / call_ms},
                                                       {"link", link_percent.value_or(0) / 100}};
  const auto busiest = std::max_element(std::begin(candidates), std::end(candidates),
                                        [](const auto& a, const auto& b) { return a.second < b.second; });
  most.limit = busiest->second < kBusy ? "none" : busiest->first;
  most.share = busiest->second;
  return most;
}

std::string phases_text(const GpuPhases& phases) {
  const std::string limit =
      phases.limit == "none"
          ? fmt::format("nothing is busy half of the call (most: {:.0f} %): distance or the host", 100 * phases.share)
          : fmt::format("{}, busy {:.0f} % of the call", phases.limit, 100 * phases.share);
  return fmt::format("GPU ms: reduce-scatter {:.3f}, encode {:.3f}, decode {:.3f}, all-gather {:.3f}; limit: {}",
                     phases.reduce_scatter_ms, phases.encode_ms, phases.decode_ms, phases.all_gather_ms, limit);
}

}  // namespace longhaul::perf
