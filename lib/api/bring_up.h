// SPDX-License-Identifier: Apache-2.0
// Bring-up of one rank: listen, find the others, join, and the first calls (first_calls.h) before the communicator is handed out.
#pragma once

#include <functional>

#include "api/comm.h"
#include "bootstrap/bootstrap.h"
#include "site/channel.h"

namespace longhaul::api {

/// What a caller with MPI or a callback brings for the ranks of one site. All may be empty.
struct SiteWays {
  std::unique_ptr<bootstrap::SiteExchange> exchange;  ///< empty: TCP at the site address
  /// Makes the in-site channels instead of shared memory and sessions, for messages of up to `max_payload` bytes.
  std::function<Result<std::vector<std::unique_ptr<site::Channel>>>(std::size_t max_payload)> channels;
  /// A device communicator's: an NCCL communicator of the site, which stays the caller's.
  device::NcclComm nccl = nullptr;
};

/// Blocks until the communicator works, or says why not, by config.wan.timeout. Ends early when comm->cancelled.
Status bring_up(lhComm* comm, const config::Config& config, SiteWays ways);

/// Runs bring_up now, or on comm->starter with config.blocking off, and stores the result in the communicator. What
/// lhCommInit returns; *out is set to null on failure.
lhResult_t start(lhComm_t* out, std::unique_ptr<lhComm> comm, config::Config config, SiteWays ways);

/// Where $LONGHAUL_TRACE is set: the file for this rank. Else null.
Result<std::unique_ptr<engine::Trace>> open_trace(const engine::Members& members);

/// Ranks of one site: in-site exchange on host memory is direct, rank to rank.
constexpr int kMaxSiteSize = 64;

}  // namespace longhaul::api
