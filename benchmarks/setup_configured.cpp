// SPDX-License-Identifier: Apache-2.0
// One rank of a real job, found by the configuration and the launcher's environment, without MPI (srun, torchrun, or a
// site of one rank).
#include "benchmarks/run.h"

namespace longhaul::perf {

Outcome run_configured(const Options& options) {
  std::string wan;
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  lhComm_t comm = nullptr;
  RankResult result;
  try {
    config.wan = wan_or_null(options, &wan);
    config.device = device_of(options, launcher_local_rank());
    require(lhCommInit(&comm, &config), nullptr, "lhCommInit");
    LibraryTeam team(comm);
    result = run_rank_safely(options, "as configured", comm, team);
  } catch (const std::exception& failure) {
    result = {kExitLibrary, failure.what(), -1, {}};
  }
  if (!result.error.empty()) {
    print_error(result.rank, result.error);
    if (comm) static_cast<void>(lhCommAbort(comm));
  }
  if (comm) static_cast<void>(lhCommDestroy(comm));
  return outcome_of(std::move(result));
}

}  // namespace longhaul::perf
