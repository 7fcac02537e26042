// SPDX-License-Identifier: Apache-2.0
// What a checkpoint keeps of a communicator: its error-feedback states (list, export, import, forget) and the count of its calls.
#include <algorithm>

#include "api/comm.h"

using longhaul::error;
using longhaul::Status;

namespace {

/// Also of a communicator that has failed: its states are what a checkpoint wants to keep.
Status check_started(lhComm_t comm) {
  if (!comm) return error(lhInvalidArgument, "the communicator is NULL");
  if (comm->state.load() == lhComm::State::Starting) return error(lhInvalidUsage, "the communicator is still being initialised");
  return comm->state.load() == lhComm::State::Failed ? comm->start_failure() : Status();
}

lhResult_t answer(lhComm_t comm, const Status& status) { return comm ? comm->report(status) : longhaul::api::report(status); }

Status tags_of(lhComm_t comm, uint64_t* tags, size_t* count) {
  if (Status started = check_started(comm); !started.ok()) return started;
  if (!count) return error(lhInvalidArgument, "count is NULL");
  const std::vector<std::uint64_t> all = comm->runner->engine().feedback().tags();
  const std::size_t room = std::exchange(*count, all.size());
  if (!tags) return {};
  if (room < all.size()) return error(lhInvalidArgument, "there is room for {} tags and {} have a state: ask again with more", room, all.size());
  std::copy(all.begin(), all.end(), tags);
  return {};
}

Status export_state(lhComm_t comm, uint64_t tag, void* state, size_t* bytes) {
  if (Status started = check_started(comm); !started.ok()) return started;
  if (!bytes) return error(lhInvalidArgument, "bytes is NULL");
  longhaul::engine::Feedback& feedback = comm->runner->engine().feedback();
  auto size = feedback.saved_bytes(tag);
  if (!size.ok()) return size.take_status();
  const std::size_t room = std::exchange(*bytes, *size);
  if (!state) return {};
  if (room < *size) return error(lhInvalidArgument, "there is room for {} bytes and the state of tag {} has {}: ask again with more", room, tag, *size);
  return feedback.save(tag, {static_cast<std::byte*>(state), *size});
}

Status import_state(lhComm_t comm, uint64_t tag, const void* state, size_t bytes) {
  if (Status started = check_started(comm); !started.ok()) return started;
  if (tag == 0) return error(lhInvalidArgument, "tag 0 names no bucket: import into the tag that the state was exported from");
  if (!state) return error(lhInvalidArgument, "state is NULL");
  return comm->runner->engine().feedback().restore(tag, {static_cast<const std::byte*>(state), bytes});
}

Status count_of(lhComm_t comm, uint64_t* calls) {
  if (Status started = check_started(comm); !started.ok()) return started;
  if (!calls) return error(lhInvalidArgument, "calls is NULL");
  *calls = comm->runner->engine().calls();
  return {};
}

Status continue_from(lhComm_t comm, uint64_t calls) {
  if (Status usable = longhaul::api::check_usable(comm); !usable.ok()) return usable;
  comm->runner->engine().continue_from(calls);
  return {};
}

}  // namespace

lhResult_t lhCommFeedbackTags(lhComm_t comm, uint64_t* tags, size_t* count) { return answer(comm, tags_of(comm, tags, count)); }

lhResult_t lhCommFeedbackExport(lhComm_t comm, uint64_t tag, void* state, size_t* bytes) {
  return answer(comm, export_state(comm, tag, state, bytes));
}

lhResult_t lhCommFeedbackImport(lhComm_t comm, uint64_t tag, const void* state, size_t bytes) {
  return answer(comm, import_state(comm, tag, state, bytes));
}

lhResult_t lhCommFeedbackReset(lhComm_t comm, uint64_t tag) {
  const Status started = check_started(comm);
  return answer(comm, started.ok() ? comm->runner->engine().feedback().reset(tag) : started);
}

lhResult_t lhCommGetCallCount(lhComm_t comm, uint64_t* calls) { return answer(comm, count_of(comm, calls)); }

lhResult_t lhCommSetCallCount(lhComm_t comm, uint64_t calls) { return answer(comm, continue_from(comm, calls)); }
