// SPDX-License-Identifier: Apache-2.0
// The collective calls of the C ABI: check, submit, wait.
#include "api/group_calls.h"
#include "api/validate.h"

using longhaul::Status;
using longhaul::api::Arguments;
using longhaul::plan::Collective;

namespace {

/// Refused calls leave no trace but their text.
lhResult_t refuse(lhComm_t comm, const Status& status) {
  longhaul::api::note_in_group(status);
  return comm ? comm->report(status) : longhaul::api::report(status);
}

/// On a device communicator: the call is in the stream when this returns, and nobody has waited.
lhResult_t issue_in_stream(lhComm_t comm, const Arguments& arguments, lhRequest_t* request) {
  lhRequest* handle = comm->requests->take();
  const std::lock_guard in_order(comm->entrance);
  Status status = comm->runner->engine().failure();
  if (status.ok()) status = longhaul::api::prepare(*comm, arguments, &handle->request);
  if (status.ok()) {
    auto ticket = comm->turnstile->enter(arguments.stream);
    if (ticket.ok())
      handle->request.ticket = *ticket;
    else
      status = ticket.take_status();
  }
  if (!status.ok()) {
    handle->request.leave_feedback(false);
    longhaul::api::RequestPool::give_back(handle);
    return refuse(comm, status);
  }
  if (request) {
    *request = handle;
  } else {
    handle->request.owner = handle;
    handle->request.detached = [](void* owner) { longhaul::api::RequestPool::give_back(static_cast<lhRequest*>(owner)); };
  }
  comm->runner->submit(&handle->request);
  return lhSuccess;
}

lhResult_t issue(lhComm_t comm, const Arguments& arguments, lhRequest_t* request) {
  if (Status usable = longhaul::api::check_usable(comm); !usable.ok()) return refuse(comm, usable);
  if (comm->gpu) return issue_in_stream(comm, arguments, request);
  if (request || longhaul::api::in_group()) {
    lhRequest* handle = comm->requests->take();
    if (Status status = longhaul::api::prepare(*comm, arguments, &handle->request); !status.ok()) {
      longhaul::api::RequestPool::give_back(handle);
      return refuse(comm, status);
    }
    comm->runner->submit(&handle->request);
    if (request)
      *request = handle;
    else
      longhaul::api::add_to_group(comm, handle);
    return lhSuccess;
  }
  longhaul::engine::Request waiting;
  if (Status status = longhaul::api::prepare(*comm, arguments, &waiting); !status.ok()) return refuse(comm, status);
  comm->runner->submit(&waiting);
  waiting.wait();
  return comm->report(waiting.result);
}

}  // namespace

lhResult_t lhAllReduce(const void* send, void* recv, size_t count, lhDataType_t type, lhRedOp_t op, lhComm_t comm,
                       lhStream_t stream) {
  return lhAllReduceEx(send, recv, count, type, op, nullptr, comm, stream, nullptr);
}

lhResult_t lhAllReduceEx(const void* send, void* recv, size_t count, lhDataType_t type, lhRedOp_t op,
                         const lhCallConfig_t* config, lhComm_t comm, lhStream_t stream, lhRequest_t* request) {
  if (request) *request = nullptr;
  return issue(comm,
               {.collective = Collective::AllReduce,
                .send = send,
                .recv = recv,
                .count = count,
                .type = type,
                .op = op,
                .stream = stream,
                .config = config},
               request);
}

lhResult_t lhReduceScatter(const void* send, void* recv, size_t recvCount, lhDataType_t type, lhRedOp_t op,
                           lhComm_t comm, lhStream_t stream) {
  return issue(comm,
               {.collective = Collective::ReduceScatter,
                .send = send,
                .recv = recv,
                .count = recvCount,
                .type = type,
                .op = op,
                .stream = stream},
               nullptr);
}

lhResult_t lhAllGather(const void* send, void* recv, size_t sendCount, lhDataType_t type, lhComm_t comm,
                       lhStream_t stream) {
  return issue(comm,
               {.collective = Collective::AllGather,
                .send = send,
                .recv = recv,
                .count = sendCount,
                .type = type,
                .stream = stream},
               nullptr);
}

lhResult_t lhBroadcast(const void* send, void* recv, size_t count, lhDataType_t type, int root, lhComm_t comm,
                       lhStream_t stream) {
  return issue(comm,
               {.collective = Collective::Broadcast,
                .send = send,
                .recv = recv,
                .count = count,
                .type = type,
                .root = root,
                .stream = stream},
               nullptr);
}

lhResult_t lhBarrier(lhComm_t comm, lhStream_t stream) {
  return issue(comm, {.collective = Collective::Barrier, .stream = stream}, nullptr);
}

lhResult_t lhRequestTest(lhRequest_t request, int* done) {
  if (!request || !done) return longhaul::api::report(longhaul::error(lhInvalidArgument, "request or done is NULL"));
  *done = request->request.finished() ? 1 : 0;
  return *done ? longhaul::api::report(request->request.result) : lhInProgress;
}

lhResult_t lhRequestWait(lhRequest_t request) {
  if (!request) return longhaul::api::report(longhaul::error(lhInvalidArgument, "the request is NULL"));
  request->request.wait();
  const Status result = request->request.result;
  longhaul::api::RequestPool::give_back(request);
  return longhaul::api::report(result);
}
