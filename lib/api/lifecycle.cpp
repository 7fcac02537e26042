// SPDX-License-Identifier: Apache-2.0
// How a communicator ends.
#include "api/group_calls.h"

using longhaul::error;
using longhaul::kSecond;
using longhaul::Status;

namespace {

constexpr longhaul::TimeNs kFinalizeTimeout = 9 * kSecond;

}  // namespace

lhResult_t lhCommFinalize(lhComm_t comm) {
  if (Status usable = longhaul::api::check_usable(comm); !usable.ok())
    return comm ? comm->report(usable) : longhaul::api::report(usable);
  comm->finalized.store(true);
  lhRequest* handle = comm->requests->take();
  handle->request.call = {.collective = longhaul::plan::Collective::Finalize, .type = lhInt8};
  handle->request.deadline = longhaul::steady_now() + kFinalizeTimeout;
  handle->request.counted = false;
  comm->runner->submit(&handle->request);
  if (longhaul::api::in_group()) {
    longhaul::api::add_to_group(comm, handle);
    return lhSuccess;
  }
  handle->request.wait();
  const lhResult_t result = comm->report(handle->request.result);
  longhaul::api::RequestPool::give_back(handle);
  return result;
}

lhResult_t lhCommDestroy(lhComm_t comm) {
  if (!comm) return longhaul::api::report(error(lhInvalidArgument, "the communicator is NULL"));
  delete comm;  // the handle is the caller's owning pointer
  return lhSuccess;
}

lhResult_t lhCommAbort(lhComm_t comm) {
  if (!comm) return longhaul::api::report(error(lhInvalidArgument, "the communicator is NULL"));
  comm->cancelled.store(true);
  if (comm->state.load() == lhComm::State::Ready) comm->runner->abort();
  return lhSuccess;
}
