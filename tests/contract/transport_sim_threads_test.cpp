// SPDX-License-Identifier: Apache-2.0
// Two threads, each with its own node of one simulated network, as the ranks of a loopback communicator have. Run it
// under ThreadSanitizer.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "contract/sim_world.h"
#include "contract/transport_suite.h"
#include "support/catch.h"
#include "transport/sim/network.h"

using namespace longhaul;
using namespace longhaul::testing;
using longhaul::transport::Inbound;

namespace {

constexpr std::uint64_t kThreadFrames = 20'000;

/// One rank of the thread test: sends numbered frames with a window, checks those it receives, sleeps when idle.
class Rank : public transport::Events {
 public:
  Rank(Network& network, int node, const std::vector<std::byte>& payload)
      : payload_(payload), transport_(network.make_transport(node)), dials_(node == 0) {
    REQUIRE(transport_->listen().ok());
  }
  void on_accept(EndpointId id) override { endpoint_ = id; }
  void on_receive(EndpointId, ConstBytes header, Inbound payload) override {
    if (header_number(header) != received_ || !same_bytes(payload.bytes(), payload_)) ++wrong;
    ++received_;
    held_[received_ % 4] = std::move(payload);
  }
  void on_sent(EndpointId, std::uint64_t) override { ++sent_; }
  void on_close(EndpointId, CloseReason, const std::string&) override { ++wrong; }

  void run(std::atomic<int>& busy) {
    if (dials_) endpoint_ = transport_->connect({"", 1});
    bool counted = false;
    for (TimeNs give_up = steady_now() + 60 * kSecond; busy > 0 && steady_now() < give_up;) {
      const bool moved = transport_->poll(*this, steady_now());
      while (endpoint_ != 0 && posted_ < kThreadFrames && posted_ - sent_ < 64) {
        transport_->post(endpoint_, number_header(posted_), payload_, posted_ + 1);
        ++posted_;
      }
      if (!counted && received_ == kThreadFrames && sent_ == kThreadFrames) {
        counted = true;
        --busy;
      }
      if (!moved && transport_->arm()) sleep();
    }
    for (Inbound& one : held_) one = Inbound();
  }
  std::uint64_t received() const { return received_; }
  std::uint64_t wrong = 0;

 private:
  void sleep() {
    std::vector<pollfd> fds;
    transport_->append_wait_fds(fds);
    // Bounded, because the other thread's end of work is no event.
    const TimeNs wait = std::clamp<TimeNs>(transport_->next_event() - steady_now(), 0, 20 * kMillisecond);
    const timespec timeout = {0, static_cast<long>(wait)};
    (void)::ppoll(fds.data(), fds.size(), &timeout, nullptr);
  }

  const std::vector<std::byte>& payload_;
  Inbound held_[4];
  std::unique_ptr<Transport> transport_;
  bool dials_;
  EndpointId endpoint_ = 0;
  std::uint64_t posted_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t received_ = 0;
};

}  // namespace

TEST_CASE("sim carries frames between two threads", "[contract][sim][threads]") {
  SimOptions options;
  options.link.one_way_ns = 50 * kMicrosecond;
  options.link.rate_bits_per_s = 100 * kGigabit;
  Network network(2, options);
  network.set_clock(steady_now);
  const std::vector<std::byte> payload = pattern_bytes(700, 1);
  Rank a(network, 0, payload);
  Rank b(network, 1, payload);
  std::atomic<int> busy = 2;
  std::thread other([&] { b.run(busy); });
  a.run(busy);
  other.join();
  for (const Rank* rank : {&a, &b}) {
    CHECK(rank->received() == kThreadFrames);
    CHECK(rank->wrong == 0);
  }
  CHECK(network.counters().delivered == 2 * kThreadFrames);
}
