// SPDX-License-Identifier: Apache-2.0
// The library's own calls that end a bring-up: every rank of every site is there, and the connections know their links.
#pragma once

#include <atomic>

#include "api/comm.h"

namespace longhaul::api {

/// A barrier that is in no statistics.
void prepare_first_call(engine::Request* request, TimeNs deadline);

/// Blocks until calls on device memory can run, where `comm` has a device.
Status wait_for_device(const lhComm& comm, TimeNs deadline);

struct FirstCalls {
  engine::Runner* runner;
  const plan::Topology* topology;
  int rank;
  std::uint64_t rate_limit;  ///< wan.rate_limit of this rank, bits a second; 0: none
  const std::atomic<bool>* cancelled;
  TimeNs deadline;
};

/// Blocks until all ranks are connected and the links are warm (warm_up.h), or says why not. *link_rate: bits a second of the
/// slowest link each way, 0: not known.
Status make_first_calls(const FirstCalls& calls, double* link_rate);

}  // namespace longhaul::api
