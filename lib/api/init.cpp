// SPDX-License-Identifier: Apache-2.0
// lhCommInit: configuration, then bring-up.
#include "api/bring_up.h"

using longhaul::error;

lhResult_t lhCommInit(lhComm_t* comm, const lhConfig_t* config) {
  if (!comm) return longhaul::api::report(error(lhInvalidArgument, "comm is NULL"));
  *comm = nullptr;
  const lhOob_t* oob = config && config->size >= sizeof(lhConfig_t) ? config->oob : nullptr;
  if (oob && !oob->allgather) return longhaul::api::report(error(lhInvalidArgument, "oob has no allgather function"));
  auto resolved = longhaul::config::resolve(config, longhaul::config::process_environment(),
                                            {.site_rank = {}, .site_size = {}, .in_site_exchange = oob != nullptr});
  if (!resolved.ok()) return longhaul::api::report(resolved.status());
  longhaul::api::SiteWays ways;
  if (resolved->site_size == 1)
    ways.exchange = longhaul::bootstrap::make_single_exchange();
  else if (oob)
    ways.exchange = longhaul::bootstrap::make_oob_exchange(*oob, resolved->site_size);
  return longhaul::api::start(comm, std::make_unique<lhComm>(), std::move(*resolved), std::move(ways));
}
