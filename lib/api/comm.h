// SPDX-License-Identifier: Apache-2.0
// What an lhComm_t points to: one rank's communicator. It owns the engine's thread; it has no protocol logic of its own.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "codec/plugin.h"
#include "config/config.h"
#include "device/turnstile.h"
#include "engine/runner.h"

namespace longhaul::api {

/// Memory of asynchronous requests, reused. Shared with the handles, which may outlive the communicator.
class RequestPool;

}  // namespace longhaul::api

struct lhRequest {
  longhaul::engine::Request request;
  std::shared_ptr<longhaul::api::RequestPool> pool;  // empty while the request rests in it
};

struct lhComm {
  lhComm();
  ~lhComm();

  // Set by the bring-up, constant once `state` is Ready.
  longhaul::engine::Members members{longhaul::plan::Topology({}), {}, 0};
  longhaul::config::Wan wan;
  double link_rate = 0;  // bits a second of a link each way, as known at bring-up; 0: not known
  // Device communicators only; else null and -1.
  std::shared_ptr<const longhaul::device::Gpu> gpu;
  std::shared_ptr<longhaul::device::Turnstile> turnstile;
  std::mutex entrance;  // calls pass the turnstile and reach the engine in one order
  /// The driver, on a host communicator of a process that has loaded one: what checks pointers. Else null.
  std::shared_ptr<const longhaul::device::Cuda> cuda_beside() const;
  int device() const { return gpu ? gpu->device() : -1; }
  longhaul::codec::Plugins plugins;  // before the runner, whose thread calls them
  std::unique_ptr<longhaul::engine::Runner> runner;
  std::shared_ptr<longhaul::api::RequestPool> requests;

  enum class State { Starting, Ready, Failed };
  std::atomic<State> state{State::Starting};
  std::atomic<bool> cancelled{false};
  std::atomic<bool> finalized{false};
  std::thread starter;  // non-blocking initialisation

  /// Remembers the text as the communicator's last failure and as this thread's; returns the code.
  lhResult_t report(const longhaul::Status& status);
  std::string last_error() const;
  /// The bring-up is over, one way or the other.
  void finish_start(const longhaul::Status& status);
  longhaul::Status start_failure() const;

 private:
  mutable std::mutex mutex_;
  std::string last_error_;
  longhaul::Status start_failure_;
  mutable std::shared_ptr<const longhaul::device::Cuda> cuda_beside_;
};

namespace longhaul::api {

class RequestPool : public std::enable_shared_from_this<RequestPool> {
 public:
  lhRequest* take();
  static void give_back(lhRequest* request);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<lhRequest>> all_;
  std::vector<lhRequest*> free_;
};

/// The calling thread's last failure.
void set_thread_error(const std::string& text);
const char* keep_for_caller(std::string text);
const std::string& thread_error();

/// Reports a failure that belongs to no communicator.
lhResult_t report(const Status& status);

/// Not ok where `comm` cannot take calls: null, still starting, failed to start.
Status check_usable(lhComm_t comm);

}  // namespace longhaul::api
