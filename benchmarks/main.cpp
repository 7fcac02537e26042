// SPDX-License-Identifier: Apache-2.0
// all_reduce_perf: nccl-tests' program of that name for all-reduce between sites. See -h.
#include <cstdio>
#include <cstdlib>

#include "benchmarks/report_maker.h"
#include "benchmarks/run.h"
#include "benchmarks/trace_files.h"

namespace longhaul::perf {
namespace {

// MPI works where mpirun, or srun with PMI, started us; elsewhere it would see one lonely rank.
bool launcher_speaks_mpi() { return std::getenv("OMPI_COMM_WORLD_SIZE") || std::getenv("PMI_SIZE"); }

Outcome run(const Options& options) {
  const Mode mode = choose_mode(options, under_launcher(), has_configuration());
  switch (mode) {
    case Mode::Loopback:
      return run_loopback(options);
    case Mode::Configured:
      return built_with_mpi() && launcher_speaks_mpi() ? run_configured_mpi(options) : run_configured(options);
    case Mode::Split:
      break;
  }
  if (launcher_speaks_mpi()) return run_split_mpi(options);
  print_error(
      -1, "--sites can split only the ranks of mpirun: with another launcher give LONGHAUL_CONFIG and LONGHAUL_SITE");
  return {.exit_status = kExitUsage, .first = false, .complete = false, .ranks = {}};
}

/// Found out before communicators are made where this process is sure to be global rank 0; else run.cpp does it later.
int check_report(const Options& options) {
  if (launcher_rank() != 0 || has_configuration()) return 0;
  try {
    require_report(options);
    return 0;
  } catch (const Failure& failure) {
    print_error(-1, failure.what());
    return failure.exit_status();
  }
}

}  // namespace
}  // namespace longhaul::perf

int main(int argc, char** argv) {
  using namespace longhaul::perf;
  const Parsed parsed = parse_options(argc, argv);
  if (!parsed.run) {
    // Once, not once a rank.
    if (launcher_rank() == 0) std::fputs(parsed.text.c_str(), parsed.exit_status ? stderr : stdout);
    return parsed.exit_status;
  }
  // The environment wins over lhConfig_t, so flags have to be merged into it where it is set. No thread runs yet.
  if (std::getenv("LONGHAUL_WAN")) setenv("LONGHAUL_WAN", wan_text(parsed.options.wan).c_str(), 1);
  if (const int status = check_report(parsed.options)) return status;
  if (!parsed.options.trace_file.empty()) begin_trace(parsed.options.trace_file, launcher_rank() == 0);
  const Outcome outcome = run(parsed.options);
  return outcome.first ? write_report(parsed.options, outcome) : outcome.exit_status;
}
