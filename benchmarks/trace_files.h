// SPDX-License-Identifier: Apache-2.0
// How do the ranks' traces become one file? The library writes one a rank, PREFIX.rank0.json and so on, when its
// communicator is destroyed; the merged file is one that ui.perfetto.dev opens.
#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace longhaul::perf {

/// "run.json" and 3 to "run.json.rank3.json".
std::string rank_trace_name(const std::string& prefix, int rank);
/// Makes the library trace every communicator of this process from now on, and forgets files of an earlier run. Before
/// any thread runs. `clean`: remove such files; one process of a launch is enough.
void begin_trace(const std::string& prefix, bool clean);

/// Which ranks' files were there.
struct MergedTrace {
  std::vector<int> merged, missing;
};
/// Writes the files of ranks 0 to `ranks` - 1 to `out` as one, and removes them. Waits up to `patience` for those of
/// `expected`: other processes may still be destroying their communicators. Where no file is, `out` is not written.
/// Throws Failure.
MergedTrace merge_traces(const std::string& prefix, const std::string& out, int ranks, const std::vector<int>& expected,
                         std::chrono::milliseconds patience);

}  // namespace longhaul::perf
