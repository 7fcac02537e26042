// SPDX-License-Identifier: Apache-2.0
// Two sessions and the streams between them on a manual clock. What goes wrong on the way is the simulator's business
// (tests/sim); here is what a session does about streams of different speed.
#include <deque>
#include <functional>
#include <set>
#include <vector>

#include "link/session.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::link;

namespace {

constexpr std::size_t kPayload = 64 << 10;
constexpr TimeNs kTick = 100 * kMicrosecond;

/// A and B, joined by streams that carry frames in order: `rate(stream)` bytes a second, 5 ms each way.
class Pair {
 public:
  using Rate = std::function<double(int stream, TimeNs now)>;

  Pair(SessionOptions options, Rate rate) : pool_(512, kPayload), rate_(std::move(rate)) {
    options.dialer = true;
    ends_.emplace_back(options);
    options.dialer = false;
    ends_.emplace_back(options);
    for (auto& busy : busy_) busy.assign(static_cast<std::size_t>(options.streams), 0);
    for (int i = 0; i < options.streams; ++i)
      for (Session& end : ends_) end.stream_up(i, 7, 0);
  }

  Session& a() { return ends_[0]; }
  TimeNs now() const { return now_; }
  std::size_t delivered() const { return delivered_.size(); }
  std::size_t carried(int stream) const { return carried_[static_cast<std::size_t>(stream)]; }

  void send(int frames) {
    for (int i = 0; i < frames; ++i) {
      Blob blob = pool_.acquire();
      REQUIRE(blob);
      const ConstBytes payload = blob.memory();
      a().send({}, std::move(blob), payload);
    }
  }

  void run_until(TimeNs end, const std::function<bool()>& done = [] { return false; }) {
    for (; now_ < end && !done(); now_ += kTick) {
      for (int i = 0; i < 2; ++i) {
        ends_[static_cast<std::size_t>(i)].on_time(now_);
        while (ends_[static_cast<std::size_t>(i)].next_action(now_)) {}
        Transmission out;
        while (ends_[static_cast<std::size_t>(i)].next_transmission(now_, &out)) carry(i, out);
      }
      deliver();
    }
  }

 private:
  struct Moving {
    int to;
    Transmission frame;
    TimeNs leaves, arrives;
    bool left = false;
  };

  void carry(int from, const Transmission& frame) {
    TimeNs& busy = busy_[from][static_cast<std::size_t>(frame.stream)];
    const double bytes = static_cast<double>(frame.header.size + frame.payload.size());
    busy = std::max(busy, now_) + static_cast<TimeNs>(bytes * 1e9 / rate_(frame.stream, now_));
    if (from == 0 && !frame.payload.empty()) ++carried_[static_cast<std::size_t>(frame.stream)];
    moving_.push_back({1 - from, frame, busy, busy + 5 * kMillisecond});
  }

  void deliver() {
    for (auto it = moving_.begin(); it != moving_.end();) {
      Session& from = ends_[static_cast<std::size_t>(1 - it->to)];
      if (!it->left && it->leaves <= now_) {
        it->left = true;
        if (it->frame.sequence) from.on_sent(it->frame.stream, it->frame.sequence, it->frame.payload.size(), now_);
      }
      if (it->arrives > now_) {
        ++it;
        continue;
      }
      Session& to = ends_[static_cast<std::size_t>(it->to)];
      const auto delivery = to.on_frame(it->frame.stream, it->frame.header.view(), it->frame.payload, now_);
      if (delivery) {
        CHECK(delivered_.insert(delivery->sequence).second);  // never twice
        to.consumed(delivery->cost);
      }
      it = moving_.erase(it);
    }
  }

  BlobPool pool_;
  Rate rate_;
  std::vector<Session> ends_;
  std::vector<TimeNs> busy_[2];
  std::deque<Moving> moving_;
  std::set<std::uint64_t> delivered_;
  std::size_t carried_[16] = {};
  TimeNs now_ = 0;
};

}  // namespace

TEST_CASE("a fast stream takes more of the frames", "[unit][link]") {
  Pair pair({.peer_name = "B", .streams = 2}, [](int stream, TimeNs) { return stream == 0 ? 100e6 : 5e6; });
  pair.send(400);
  pair.run_until(10 * kSecond, [&] { return pair.delivered() == 400; });
  CHECK(pair.delivered() == 400);
  CHECK(pair.carried(0) > 8 * pair.carried(1));
  CHECK(pair.carried(1) > 0);
  // 400 frames of 64 KiB at 105 MB/s take 0.25 s; waiting for equal halves would take 2.6 s.
  CHECK(pair.now() < 500 * kMillisecond);
}

TEST_CASE("what a stalled stream holds arrives by another", "[unit][link]") {
  // Stream 1 stops for a second in the middle of a run, as TCP does when a repair is lost as well.
  Pair pair({.peer_name = "B", .streams = 2}, [](int stream, TimeNs now) { return stream == 1 && now > 100 * kMillisecond ? 5e4 : 50e6; });
  pair.send(100);
  pair.run_until(100 * kMillisecond);
  const TimeNs begun = pair.now();
  pair.send(100);
  pair.run_until(10 * kSecond, [&] { return pair.delivered() == 200; });
  CHECK(pair.delivered() == 200);
  CHECK(pair.now() - begun < 400 * kMillisecond);
  CHECK(pair.a().resent_bytes() > 0);
  CHECK(pair.a().resent_bytes() < 32 * kPayload);
}

TEST_CASE("without hedging what a stalled stream holds waits for that stream", "[unit][link]") {
  Pair pair({.peer_name = "B", .streams = 2, .hedge = false},
            [](int stream, TimeNs now) { return stream == 1 && now > 100 * kMillisecond ? 5e4 : 50e6; });
  pair.send(100);
  pair.run_until(100 * kMillisecond);
  pair.send(100);
  pair.run_until(pair.now() + 400 * kMillisecond);
  CHECK(pair.delivered() < 200);
  pair.run_until(60 * kSecond, [&] { return pair.delivered() == 200; });
  CHECK(pair.delivered() == 200);
  CHECK(pair.a().resent_bytes() == 0);
}

TEST_CASE("a stream that stalled is used again once it moves", "[unit][link]") {
  // Stream 1 stops for half a second, long enough for all it holds to be copied to the other.
  Pair pair({.peer_name = "B", .streams = 2},
            [](int stream, TimeNs now) { return stream == 1 && now > 100 * kMillisecond && now < 600 * kMillisecond ? 5e5 : 50e6; });
  for (int call = 1; call <= 30; ++call) {
    pair.send(100);
    pair.run_until(pair.now() + 100 * kMillisecond);
    pair.run_until(10 * kSecond, [&] { return pair.delivered() == 100U * static_cast<unsigned>(call); });
    if (call == 15) CHECK(pair.carried(1) < pair.carried(0) / 2);
  }
  REQUIRE(pair.delivered() == 3000);
  CHECK(pair.carried(1) > pair.carried(0) / 2);  // nine tenths of the calls came after
}

TEST_CASE("streams that do equally well share equally", "[unit][link]") {
  Pair pair({.peer_name = "B", .streams = 4}, [](int, TimeNs) { return 20e6; });
  for (int call = 0; call < 10; ++call) {
    pair.send(100);
    pair.run_until(10 * kSecond, [&] { return pair.delivered() == 100U * static_cast<unsigned>(call + 1); });
  }
  for (int stream = 0; stream < 4; ++stream) {
    CHECK(pair.carried(stream) > 200);
    CHECK(pair.carried(stream) < 300);
  }
}

TEST_CASE("with one stream nothing is copied before its time", "[unit][link]") {
  Pair pair({.peer_name = "B", .streams = 1}, [](int, TimeNs now) { return now > 50 * kMillisecond && now < 250 * kMillisecond ? 3e5 : 50e6; });
  pair.send(100);
  pair.run_until(10 * kSecond, [&] { return pair.delivered() == 100; });
  CHECK(pair.delivered() == 100);
  CHECK(pair.a().resent_bytes() == 0);
}

TEST_CASE("a rate limit is kept, and used", "[unit][link]") {
  Pair pair({.peer_name = "B", .streams = 2, .rate_limit = 10'000'000}, [](int, TimeNs) { return 100e6; });
  pair.send(160);  // 10.5 MB
  pair.run_until(10 * kSecond, [&] { return pair.delivered() == 160; });
  CHECK(pair.delivered() == 160);
  CHECK(pair.now() > 1030 * kMillisecond);
  CHECK(pair.now() < 1100 * kMillisecond);
}

TEST_CASE("a measured link is shared and kept to", "[unit][link]") {
  Pair pair({.peer_name = "B", .streams = 2, .link_share = 0.5}, [](int, TimeNs) { return 100e6; });
  pair.run_until(20 * kMillisecond);  // the first pings are answered: 10 ms
  pair.a().link_measured(20e6);
  CHECK(pair.a().link_rate() == Approx(20e6));
  pair.send(160);  // 10.5 MB
  pair.run_until(10 * kSecond, [&] { return pair.delivered() == 160; });
  CHECK(pair.delivered() == 160);
  CHECK(pair.now() > 900 * kMillisecond);
  CHECK(pair.now() < 1100 * kMillisecond);
}

TEST_CASE("streams are opened by distance", "[unit][link]") {
  Session session({.peer_name = "B", .dialer = true, .streams = 16, .rtt_per_stream = 10 * kMillisecond});
  const auto dialled = [&](TimeNs now) {
    int count = 0;
    while (const auto action = session.next_action(now)) count += action->kind == StreamAction::Kind::Dial;
    return count;
  };
  CHECK(dialled(0) == 2);
  session.stream_up(0, 7, 0);
  Transmission ping;
  REQUIRE(session.next_transmission(0, &ping));
  const auto decoded = wire::decode_frame(ping.header.view(), {});
  REQUIRE(decoded);
  wire::Frame pong;
  pong.type = wire::FrameType::Pong;
  pong.session_id = 7;
  pong.time = decoded->frame.time;
  wire::EncodedHeader header;
  wire::encode_frame(pong, {}, {}, &header);
  session.on_frame(0, header.view(), {}, 75 * kMillisecond);
  CHECK(session.rtt() == 75 * kMillisecond);
  CHECK(dialled(75 * kMillisecond) == 6);
}

TEST_CASE("round trips that cannot be are not believed", "[unit][link]") {
  Session session({.peer_name = "B", .dialer = true, .streams = 1});
  session.stream_up(0, 7, kSecond);
  const TimeNs now = 100 * kSecond;
  const auto answered = [&](std::uint64_t sent) {
    wire::Frame pong;
    pong.type = wire::FrameType::Pong;
    pong.session_id = 7;
    pong.time = sent;
    wire::EncodedHeader header;
    wire::encode_frame(pong, {}, {}, &header);
    session.on_frame(0, header.view(), {}, now);
    return session.rtt();
  };
  // Of the future, of long ago, and where a signed difference would overflow.
  for (const std::uint64_t sent : {std::uint64_t{now + 1}, std::uint64_t{now - 61 * kSecond}, std::uint64_t{1} << 63, (std::uint64_t{1} << 63) + 9, ~std::uint64_t{0}})
    CHECK(answered(sent) == 0);
  CHECK(answered(static_cast<std::uint64_t>(now - 3 * kMillisecond)) == 3 * kMillisecond);
}
