// SPDX-License-Identifier: Apache-2.0
// The command line of all_reduce_perf, and what follows from it without any communication: the rows to measure, the
// `wan` string for the library, the mode to run in. Pure apart from reading (and, for LONGHAUL_WAN, setting) the
// environment.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <string>
#include <vector>

#include "benchmarks/statistics.h"
#include "benchmarks/units.h"

namespace longhaul::perf {

struct Options {
  std::uint64_t min_bytes = 32 << 20, max_bytes = 32 << 20, step_bytes = 1 << 20;
  double step_factor = 1;  ///< > 1: sizes multiply; else step_bytes is added
  int iterations = 20;
  int warmup = 1;
  double pause_s = 0;  ///< idle before every timed call
  int across = 1;  ///< an Across
  int checks = 1;  ///< verified calls of each size and half; 0: none
  std::vector<lhRedOp_t> ops{lhSum};
  std::vector<lhDataType_t> types{lhFloat32};
  std::vector<lhCodec_t> codecs{lhCodecNone};
  int sites = 0;  ///< 0: not given
  int ranks = 0;  ///< of all sites, loopback only; 0: two per site
  int device = -1;  ///< first GPU, one for each rank; -1: host memory
  bool flat_nccl = false;  ///< --baseline nccl
  WanKeys wan;    ///< LONGHAUL_WAN, then --wan, then --wan-rtt, --wan-rate, --wan-loss
  Link link;      ///< what L and link% are computed from
  bool link_is_emulated = false;
  std::string json_file;    ///< with a report, next to it where -J does not say otherwise
  std::string trace_file;   ///< merged trace of all ranks; with a report likewise
  std::string report_file;  ///< .html or .png
  std::string command_line;
};

/// What parse_options decided.
struct Parsed {
  bool run = false;  ///< else: print `text` and exit with `exit_status`
  int exit_status = 0;
  std::string text;
  Options options;
};
Parsed parse_options(int argc, const char* const* argv);

/// One row of the table.
struct Case {
  lhDataType_t type;
  lhRedOp_t op;
  lhCodec_t codec;
  std::uint64_t count;
};
/// Rows in order: type, op, codec, size. A codec that the interface ignores for a type or op is not measured twice.
std::vector<Case> cases(const Options& options);
/// The sizes in bytes between min and max.
std::vector<std::uint64_t> sizes(const Options& options);

/// Splits `ranks` ranks into `sites` consecutive groups that differ by one at most, larger ones first.
std::vector<int> site_sizes(int ranks, int sites);

enum class Mode {
  Loopback,    ///< all ranks are threads of this process
  Configured,  ///< the configuration says who we are; this process is one rank
  Split,       ///< the ranks of one launch are cut into sites on this machine
};
/// `launched`: a launcher started several processes; `configured`: LONGHAUL_CONFIG or LONGHAUL_SITES is set.
Mode choose_mode(const Options& options, bool launched, bool configured);
/// Looks at the environment of mpirun, srun and torchrun.
bool under_launcher();
/// Rank of this process according to the launcher, 0 without one.
int launcher_rank();
/// Among the processes of its launch on its machine, 0 without a launcher that says it.
int launcher_local_rank();
bool has_configuration();

}  // namespace longhaul::perf
