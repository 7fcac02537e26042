// SPDX-License-Identifier: Apache-2.0
// Runner: the one thread of a communicator. It makes the transport (UCX wants one thread for its whole life), later the engine,
// and then turns the duty cycle: as long as something moves it goes on, otherwise it arms every source and sleeps, or looks again
// where the configuration says so (wan.idle).
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "base/idle.h"
#include "engine/engine.h"

namespace longhaul::engine {

class Runner {
 public:
  using MakeTransport = std::function<Result<std::unique_ptr<transport::Transport>>()>;
  using MakeEngine = std::function<std::unique_ptr<Engine>(std::unique_ptr<transport::Transport>)>;

  /// `make_transport` may be empty: then there is no transport. Runs on the new thread, as does all that follows.
  explicit Runner(MakeTransport make_transport, Idle idle = Idle::Park);
  /// Leaves (if an engine runs) by `leave_timeout`, at most 8 s, and joins.
  ~Runner();

  /// Blocks until the transport listens; its address, or why not. Empty host where there is no transport.
  Result<transport::Address> listening() { return listening_.get(); }
  /// Blocks until the engine is made on the thread. Call once, after listening() succeeded.
  Engine& start(MakeEngine make_engine);

  // Any thread, after start().
  void submit(Request* request) {
    engine_->submit(request);
    wake();
  }
  void abort() {
    engine_->abort();
    wake();
  }
  Engine& engine() { return *engine_; }

 private:
  void run(const MakeTransport& make_transport);
  void turn();
  void sleep_until(TimeNs time);
  void wake();

  const Idle idle_;
  TimeNs moved_ = 0;  // when a step last moved something
  Fd wake_fd_;
  std::promise<Result<transport::Address>> listening_promise_;
  std::future<Result<transport::Address>> listening_;
  std::promise<std::optional<MakeEngine>> make_engine_;
  std::promise<void> started_;
  std::unique_ptr<Engine> engine_;
  std::vector<pollfd> wait_fds_;
  bool start_called_ = false;
  std::thread thread_;
};

}  // namespace longhaul::engine
