// SPDX-License-Identifier: Apache-2.0
#include "api/comm.h"

using longhaul::Status;
using longhaul::api::RequestPool;

lhComm::lhComm() : requests(std::make_shared<RequestPool>()) {}

lhComm::~lhComm() {
  cancelled.store(true);
  if (starter.joinable()) starter.join();
}

lhResult_t lhComm::report(const Status& status) {
  if (status.ok()) return lhSuccess;
  {
    const std::lock_guard lock(mutex_);
    last_error_ = status.text();
  }
  return longhaul::api::report(status);
}

std::string lhComm::last_error() const {
  {
    const std::lock_guard lock(mutex_);
    if (!last_error_.empty()) return last_error_;
  }
  // A failure that no call of this rank has met yet.
  return state.load() == State::Ready ? runner->engine().failure().text() : "";
}

std::shared_ptr<const longhaul::device::Cuda> lhComm::cuda_beside() const {
  const std::lock_guard lock(mutex_);
  if (!cuda_beside_) cuda_beside_ = longhaul::device::cuda_in_process();
  return cuda_beside_;
}

void lhComm::finish_start(const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    start_failure_ = status;
    last_error_ = status.text();
  }
  state.store(status.ok() ? State::Ready : State::Failed);
}

Status lhComm::start_failure() const {
  const std::lock_guard lock(mutex_);
  return start_failure_;
}

namespace longhaul::api {
namespace {

struct ThreadTexts {
  std::string error;
  std::string returned;
};
ThreadTexts& texts() {
  thread_local ThreadTexts instance;
  return instance;
}

}  // namespace

void set_thread_error(const std::string& text) { texts().error = text; }
const std::string& thread_error() { return texts().error; }
const char* keep_for_caller(std::string text) { return (texts().returned = std::move(text)).c_str(); }

lhResult_t report(const Status& status) {
  if (!status.ok()) set_thread_error(status.text());
  return status.code();
}

Status check_usable(lhComm_t comm) {
  if (!comm) return error(lhInvalidArgument, "the communicator is NULL");
  switch (comm->state.load()) {
    case lhComm::State::Starting:
      return error(lhInvalidUsage, "the communicator is still being initialised: poll lhCommGetAsyncError until it is not lhInProgress");
    case lhComm::State::Failed:
      return comm->start_failure();
    case lhComm::State::Ready:
      break;
  }
  if (comm->finalized.load()) return error(lhInvalidUsage, "the communicator has been finalised: only lhCommDestroy may follow");
  return {};
}

lhRequest* RequestPool::take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    all_.push_back(std::make_unique<lhRequest>());
    free_.push_back(all_.back().get());
  }
  lhRequest* request = free_.back();
  free_.pop_back();
  request->request.done.store(0, std::memory_order_relaxed);
  request->request.result = {};
  request->request.counted = true;
  request->request.plugin = nullptr;
  request->request.feedback = nullptr;
  request->request.ticket.reset();
  request->request.detached = nullptr;
  request->pool = shared_from_this();
  return request;
}

void RequestPool::give_back(lhRequest* request) {
  const std::shared_ptr<RequestPool> pool = std::move(request->pool);
  const std::lock_guard lock(pool->mutex_);
  pool->free_.push_back(request);
}

}  // namespace longhaul::api
