// SPDX-License-Identifier: Apache-2.0
// Pure arithmetic of the table: order statistics, bandwidths, and the limit L: what the best possible
// program would need on this link.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace longhaul::perf {

/// Payload share of a TCP/IP link at MTU 1500, headers and acknowledgements taken off.
constexpr double kTcpPayloadShare = 0.95;

struct Times {
  double median = 0, min = 0, p99 = 0;  ///< in the unit of the input; p99 by nearest rank
};
/// `samples` is not empty.
Times summarise(std::vector<double> samples);

/// nccl-tests' -a, by value. Mean is the default because ranks at two sites cannot begin together: no barrier is more precise
/// than a one-way delay. Whoever begins early waits longer by just what the other waits less, so the mean is the time that the
/// operation takes, and the maximum contains how badly the barrier aimed.
enum class Across { Rank0 = 0, Mean = 1, Min = 2, Max = 3 };

/// One time for each iteration: all[rank * iterations + i].
std::vector<double> across_ranks(const std::vector<double>& all, std::size_t iterations, Across across);

/// GB/s (1e9) of `bytes` in `microseconds`; 0 where the time is 0.
double algorithm_bandwidth(double bytes, double microseconds);
/// nccl-tests' factor 2 (n - 1) / n for an all-reduce of n ranks.
double bus_bandwidth(double algorithm_bandwidth, int ranks);

/// What is known about a directed link between two sites.
struct Link {
  std::optional<double> bits_per_s;
  std::optional<double> rtt_s;
};
/// L in seconds: payload / (0.95 x rate) + half a round trip. An unknown part counts 0, which can only make L stricter;
/// nullopt when nothing is known.
std::optional<double> limit_seconds(double payload_bytes, const Link& link);

}  // namespace longhaul::perf
