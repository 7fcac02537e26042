// SPDX-License-Identifier: Apache-2.0
// lhCommInitNccl: the site is an NCCL communicator that exists already.
#include <longhaul/nccl.h>

#include "api/bring_up.h"
#include "api/nccl_exchange.h"

using longhaul::error;
using longhaul::Status;

namespace {

/// What the caller's communicator says about itself.
struct Place {
  int rank = 0, size = 0, device = 0;
};

longhaul::Result<Place> ask(const longhaul::device::Nccl& nccl, ncclComm* site) {
  Place place;
  for (const int result : {nccl.user_rank(site, &place.rank), nccl.count(site, &place.size), nccl.cuda_device(site, &place.device)})
    if (result != longhaul::device::kNcclSuccess)
      return error(lhInvalidArgument, "site is not a usable NCCL communicator: {}", nccl.error_string(result));
  return place;
}

lhResult_t init(lhComm_t* comm, ncclComm* site, const lhConfig_t* config) {
  auto nccl = longhaul::device::load_nccl();
  if (!nccl.ok()) return longhaul::api::report(nccl.status());
  auto place = ask(**nccl, site);
  if (!place.ok()) return longhaul::api::report(place.status());
  auto resolved = longhaul::config::resolve(config, longhaul::config::process_environment(),
                                            {.site_rank = place->rank, .site_size = place->size, .in_site_exchange = true});
  if (!resolved.ok()) return longhaul::api::report(resolved.status());
  if (resolved->device != -1 && resolved->device != place->device)
    return longhaul::api::report(error(lhInvalidArgument, "device is {}, but the NCCL communicator works on GPU {}: leave it at -1", resolved->device,
                                       place->device));
  resolved->device = place->device;
  auto gpu = longhaul::device::Gpu::open(place->device);
  if (!gpu.ok()) return longhaul::api::report(gpu.status());
  longhaul::api::SiteWays ways;
  if (place->size == 1)
    ways.exchange = longhaul::bootstrap::make_single_exchange();
  else
    ways.exchange = std::make_unique<longhaul::api::NcclExchange>(*gpu, *nccl, site, place->size);
  ways.nccl = site;
  return longhaul::api::start(comm, std::make_unique<lhComm>(), std::move(*resolved), std::move(ways));
}

}  // namespace

lhResult_t lhCommInitNccl(lhComm_t* comm, ncclComm* site, const lhConfig_t* config) {
  if (!comm) return longhaul::api::report(error(lhInvalidArgument, "comm is NULL"));
  *comm = nullptr;
  if (!site) return longhaul::api::report(error(lhInvalidArgument, "site is NULL: pass the NCCL communicator of this rank's site"));
  return init(comm, site, config);
}
