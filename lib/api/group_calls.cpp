// SPDX-License-Identifier: Apache-2.0
#include "api/group_calls.h"

using longhaul::Status;

namespace longhaul::api {
namespace {

struct Pending {
  lhComm_t comm;
  lhRequest* request;
};
struct Group {
  int depth = 0;
  std::vector<Pending> pending;
  Status first_error;
};
Group& group() {
  thread_local Group instance;
  return instance;
}

}  // namespace

bool in_group() { return group().depth > 0; }
void add_to_group(lhComm_t comm, lhRequest* request) { group().pending.push_back({comm, request}); }
void note_in_group(const Status& status) {
  if (in_group() && !status.ok() && group().first_error.ok()) group().first_error = status;
}

}  // namespace longhaul::api

using longhaul::api::group;

lhResult_t lhGroupStart(void) {
  ++group().depth;
  return lhSuccess;
}

lhResult_t lhGroupEnd(void) {
  auto& current = group();
  if (current.depth == 0) return longhaul::api::report(longhaul::error(lhInvalidUsage, "lhGroupEnd without lhGroupStart"));
  if (--current.depth > 0) return lhSuccess;
  for (const auto& [comm, handle] : current.pending) {
    handle->request.wait();
    comm->report(handle->request.result);
    if (current.first_error.ok()) current.first_error = handle->request.result;
    longhaul::api::RequestPool::give_back(handle);
  }
  current.pending.clear();
  return longhaul::api::report(std::exchange(current.first_error, {}));
}
