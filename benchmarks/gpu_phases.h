// SPDX-License-Identifier: Apache-2.0
// Which phase limits a call on GPUs? What the library's events counted (lhStats_t, while there is a trace), held
// against the time of the call. Pure.
#pragma once

#include <longhaul/longhaul.h>

#include <optional>
#include <string>
#include <vector>

namespace longhaul::perf {

/// Milliseconds that a GPU spends in each phase of one call. Reducing and encoding follow each other in one stream, the
/// others have their own.
struct GpuPhases {
  double reduce_scatter_ms = 0, encode_ms = 0, decode_ms = 0, all_gather_ms = 0;
  std::string limit;  ///< the busiest of streams and link; "none" where nothing is busy half of the call
  double share = 0;   ///< of the call's time, that one
};

/// Between two readings, per call.
GpuPhases phases_between(const lhStats_t& before, const lhStats_t& after, int calls);
/// Each phase at the rank where it takes longest, and what limits; nothing where nobody has measured phases.
/// `link_percent` where the link is known.
std::optional<GpuPhases> slowest_phases(const std::vector<GpuPhases>& ranks, double call_ms,
                                        std::optional<double> link_percent);
/// A comment line of the table.
std::string phases_text(const GpuPhases& phases);

}  // namespace longhaul::perf
