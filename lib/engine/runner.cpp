// SPDX-License-Identifier: Apache-2.0
#include "engine/runner.h"

#include <sys/eventfd.h>

#include <algorithm>

namespace longhaul::engine {
namespace {

constexpr TimeNs kLeaveTimeout = 8 * kSecond;
/// An upper bound on sleep costs nothing and makes any forgotten wake-up visible as latency instead of a hang.
constexpr TimeNs kLongestSleep = kSecond / 2;
/// A short call is a chain of messages between ranks of a machine and one over the WAN. Falling asleep between two of them that follow
/// closely costs a wake-up each, tens of microseconds: about what looking again costs.
constexpr TimeNs kLinger = 50 * kMicrosecond;

}  // namespace

Runner::Runner(MakeTransport make_transport, Idle idle) : idle_(idle), wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  LH_CHECK(wake_fd_.valid());
  listening_ = listening_promise_.get_future();
  thread_ = std::thread([this, make = std::move(make_transport)] { run(make); });
}

Runner::~Runner() {
  if (start_called_)
    engine_->leave(steady_now() + kLeaveTimeout);
  else
    make_engine_.set_value(std::nullopt);
  wake();
  thread_.join();
}

Engine& Runner::start(MakeEngine make_engine) {
  start_called_ = true;
  make_engine_.set_value(std::move(make_engine));
  started_.get_future().wait();
  return *engine_;
}

void Runner::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_.get(), &one, sizeof one);  // full: it is awake already
}

void Runner::run(const MakeTransport& make_transport) {
  std::unique_ptr<transport::Transport> transport;
  Result<transport::Address> address = transport::Address{};
  if (make_transport) {
    auto made = make_transport();
    if (made.ok()) {
      transport = std::move(*made);
      address = transport->listen();
    } else {
      address = made.take_status();
    }
  }
  listening_promise_.set_value(std::move(address));
  auto make_engine = make_engine_.get_future().get();
  if (!make_engine) return;
  engine_ = (*make_engine)(std::move(transport));
  started_.set_value();
  while (!engine_->left()) turn();
  engine_.reset();
}

void Runner::turn() {
  const TimeNs now = steady_now();
  if (engine_->step(now)) {
    moved_ = now;
    return;
  }
  if (idle_ == Idle::Park ? engine_->waits_for_little() && now - moved_ < kLinger : engine_->has_calls()) {
    if (idle_ != Idle::Spin) std::this_thread::yield();
    return;
  }
  if (engine_->left() || !engine_->arm()) return;
  sleep_until(std::min(engine_->next_event(), now + kLongestSleep));
}

void Runner::sleep_until(TimeNs time) {
  const TimeNs remaining = time - steady_now();
  if (remaining <= 0) return;
  wait_fds_.clear();
  wait_fds_.push_back({wake_fd_.get(), POLLIN, 0});
  engine_->append_wait_fds(wait_fds_);
  const timespec timeout{remaining / kSecond, remaining % kSecond};
  if (::ppoll(wait_fds_.data(), wait_fds_.size(), &timeout, nullptr) > 0 && wait_fds_.front().revents) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto got = ::read(wake_fd_.get(), &count, sizeof count);
  }
}

}  // namespace longhaul::engine
