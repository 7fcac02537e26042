// SPDX-License-Identifier: Apache-2.0
// lhCommInitMPI. Compiled only where MPI headers were found; libmpi itself is the program's (site/mpi/mpi_calls.h).
#include "site/mpi/mpi_calls.h"  // first: makes every MPI symbol a weak reference

#include <longhaul/mpi.h>

#include "api/bring_up.h"
#include "bootstrap/mpi_exchange.h"
#include "site/mpi/mpi_channel.h"

using longhaul::error;

lhResult_t lhCommInitMPI(lhComm_t* comm, MPI_Comm site, const lhConfig_t* config) {
  if (!comm) return longhaul::api::report(error(lhInvalidArgument, "comm is NULL"));
  *comm = nullptr;
  if (!longhaul::site::mpi_available())
    return longhaul::api::report(error(lhUnsupported, "no MPI in this process, or MPI_Init was not called: call it first, or use lhCommInit"));
  int rank = 0, size = 1;
  if (MPI_Comm_rank(site, &rank) != MPI_SUCCESS || MPI_Comm_size(site, &size) != MPI_SUCCESS)
    return longhaul::api::report(error(lhInvalidArgument, "site is not a usable MPI communicator"));
  auto resolved = longhaul::config::resolve(config, longhaul::config::process_environment(),
                                            {.site_rank = rank, .site_size = size, .in_site_exchange = true});
  if (!resolved.ok()) return longhaul::api::report(resolved.status());
  auto exchange = longhaul::bootstrap::MpiExchange::make(site);
  if (!exchange.ok()) return longhaul::api::report(exchange.status());
  longhaul::api::SiteWays ways;
  ways.exchange = std::move(*exchange);
  if (size > 1 && longhaul::site::mpi_threads_ok())
    ways.channels = [site](std::size_t max_payload) { return longhaul::site::make_mpi_channels(site, max_payload); };
  return longhaul::api::start(comm, std::make_unique<lhComm>(), std::move(*resolved), std::move(ways));
}
