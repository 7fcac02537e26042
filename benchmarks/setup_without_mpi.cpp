// SPDX-License-Identifier: Apache-2.0
// Takes the place of setup_mpi.cpp in a build without MPI.
#include "benchmarks/run.h"

namespace longhaul::perf {

bool built_with_mpi() { return false; }

Outcome run_configured_mpi(const Options& options) { return run_configured(options); }

Outcome run_split_mpi(const Options&) {
  print_error(-1,
              "started by a launcher, but this build has no MPI to split its ranks into sites: build with MPI, give "
              "LONGHAUL_CONFIG and LONGHAUL_SITE, or run one process without a launcher (--sites, -g)");
  return {.exit_status = kExitUsage, .first = false, .complete = false, .ranks = {}};
}

}  // namespace longhaul::perf
