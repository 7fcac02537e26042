// SPDX-License-Identifier: Apache-2.0
// One rank of a real job, found by the configuration and the launcher's environment, without MPI (srun, torchrun, or a
// site of one rank).
#include "benchmarks/run.h"

namespace longhaul::perf {

int run_configured(const Options& options) {
  std::string wan;
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.wan = wan_or_null(options, &wan);
  lhComm_t comm = nullptr;
  RankResult result;
  int rank = -1;
  try {
    require(lhCommInit(&comm, &config), nullptr, "lhCommInit");
    LibraryTeam team(comm);
    rank = team.rank();
    result = run_rank_safely(options, "as configured", comm, team);
  } catch (const std::exception& failure) {
    result = {kExitLibrary, failure.what()};
  }
  if (!result.error.empty()) {
    print_error(rank, result.error);
    if (comm) static_cast<void>(lhCommAbort(comm));
  }
  if (comm) static_cast<void>(lhCommDestroy(comm));
  return result.exit_status;
}

}  // namespace longhaul::perf
