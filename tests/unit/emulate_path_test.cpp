// SPDX-License-Identifier: Apache-2.0
#include "support/catch.h"

#include "emulate/path.h"
#include "emulate/settings.h"

using namespace longhaul;
using namespace longhaul::emulate;

namespace {

/// A plain packet of this many bytes from its IP header on.
Packet plain(std::size_t bytes) {
  std::vector<std::byte> frame(10 + bytes);
  frame[10] = std::byte{0x45};
  return *Packet::parse(frame);
}

Packet super(std::size_t segments) {
  std::vector<std::byte> frame(10 + 52 + segments * 1448);
  frame[1] = std::byte{1};
  frame[4] = static_cast<std::byte>(1448 & 0xff);
  frame[5] = static_cast<std::byte>(1448 >> 8);
  frame[10] = std::byte{0x45};
  frame[10 + 9] = std::byte{6};
  frame[10 + 20 + 12] = std::byte{8 << 4};
  return *Packet::parse(frame);
}

std::size_t drain(Path* path, TimeNs now) {
  std::size_t segments = 0;
  while (auto packet = path->take(now)) segments += packet->segments();
  return segments;
}

}  // namespace

TEST_CASE("a packet is due after its time on the wire and the delay", "[unit][emulate]") {
  Path path({.delay = 5 * kMillisecond, .rate = 1'000'000'000}, 1, 0);
  path.offer(plain(1500), 0);
  path.offer(plain(1500), 0);
  CHECK(path.next_due() == 5 * kMillisecond + 1518 * 8);
  CHECK_FALSE(path.take(path.next_due() - 1));
  CHECK(path.take(path.next_due()));
  CHECK(path.next_due() == 5 * kMillisecond + 2 * 1518 * 8);
}

TEST_CASE("the queue drops its tail, also inside a super-packet", "[unit][emulate]") {
  Path path({.delay = 0, .rate = 1'000'000'000, .queue_bytes = 10 * 1518}, 1, 0);
  path.offer(super(12), 0);
  CHECK(path.counters().queue_drops == 2);
  CHECK(path.backlog(0) == 10 * 1518);
  path.offer(plain(1500), 0);
  CHECK(path.counters().queue_drops == 3);
  path.offer(plain(1500), 1518 * 8);
  CHECK(path.counters().queue_drops == 3);
  CHECK(drain(&path, kSecond) == 11);
}

TEST_CASE("loss is per wire packet and has the share and the burst length asked for", "[unit][emulate]") {
  const double burst = GENERATE(1.0, 8.0);
  Path path({.loss = 0.02, .burst = burst}, 7, 0);
  std::size_t delivered = 0, pieces = 0;
  for (int i = 0; i < 10000; ++i) {
    path.offer(super(40), i);
    while (auto packet = path.take(i)) {
      delivered += packet->segments();
      ++pieces;
    }
  }
  const double lost = static_cast<double>(path.counters().lost);
  CHECK(delivered + path.counters().lost == 400000);
  CHECK(lost / 400000 == Approx(0.02).epsilon(burst == 1 ? 0.05 : 0.15));
  // A burst cuts its super-packet once, where it does not lie at an edge: a little less than one cut a burst.
  const double cuts = static_cast<double>(pieces) - 10000;
  CHECK(cuts < lost / burst);
  CHECK(cuts > 0.65 * lost / burst);
}

TEST_CASE("the same seed loses the same packets", "[unit][emulate]") {
  const auto run = [](std::uint64_t seed) {
    Path path({.jitter = kMillisecond, .loss = 0.1, .reorder = 0.1}, seed, 0);
    std::vector<TimeNs> dues;
    for (int i = 0; i < 200; ++i) {
      path.offer(plain(100), i);
      dues.push_back(path.next_due());
    }
    return dues;
  };
  CHECK(run(3) == run(3));
  CHECK(run(3) != run(4));
}

TEST_CASE("jitter keeps the order, reordering does not", "[unit][emulate]") {
  const bool reorders = GENERATE(false, true);
  Path path({.delay = kMillisecond, .jitter = 5 * kMillisecond, .reorder = reorders ? 0.2 : 0}, 5, 0);
  for (std::size_t i = 0; i < 500; ++i) path.offer(plain(100 + i), static_cast<TimeNs>(i) * 100 * kMicrosecond);
  std::size_t last = 0, overtaken = 0, count = 0;
  while (auto packet = path.take(kSecond)) {
    overtaken += packet->segment_bytes(0) < last;
    last = packet->segment_bytes(0);
    ++count;
  }
  CHECK(count == 500);
  CHECK((overtaken > 0) == reorders);
  CHECK((path.counters().reordered > 0) == reorders);
}

TEST_CASE("an outage loses what is offered during it", "[unit][emulate]") {
  PathSettings settings;
  REQUIRE(apply_setting(&settings, "outage", "1s+2s/10s,100s+1s").ok());
  Path path(settings, 1, 0);
  for (const auto& [second, down] : {std::pair{0, false}, {1, true}, {2, true}, {3, false}, {11, true}, {13, false}, {100, true}, {102, true}, {103, false}})
    CHECK(path.down(second * kSecond) == down);
  path.offer(plain(100), 2 * kSecond);
  CHECK(path.next_due() == kNever);
  CHECK(path.counters().outage_drops == 1);
}

TEST_CASE("lateness is counted", "[unit][emulate]") {
  Path path({}, 1, 0);
  path.offer(plain(100), 0);
  path.offer(plain(100), 0);
  path.take(100);
  path.take(3 * kMillisecond);
  CHECK(path.counters().takes == 2);
  CHECK(path.counters().late_takes == 1);
  CHECK(path.counters().worst_lateness == 3 * kMillisecond);
}

TEST_CASE("settings read back what they write", "[unit][emulate]") {
  PathSettings settings;
  const std::pair<const char*, const char*> values[] = {{"delay", "7500us"}, {"jitter", "1ms"}, {"rate", "1gbit"}, {"loss", "0.001"},
                                                        {"burst", "4"}, {"reorder", "0.01"}, {"outage", "10s+5s/1m"}, {"link", "down"}};
  for (const auto& [name, value] : values) REQUIRE(apply_setting(&settings, name, value).ok());
  for (const auto& [name, value] : values)
    for (const Setting& setting : all_settings())
      if (setting.name == std::string(name)) CHECK(setting.text(settings) == value);
  REQUIRE(apply_setting(&settings, "rtt", "80ms").ok());
  CHECK(settings.delay == 40 * kMillisecond);
}

TEST_CASE("wrong settings are refused with their name", "[unit][emulate]") {
  PathSettings settings;
  for (const auto& [name, value] : {std::pair{"rtt", "15"}, {"rate", "1GB"}, {"loss", "2"}, {"outage", "10s"}, {"outage", "1s+9s/5s"},
                                    {"outage", "1s/5s+2s"}, {"burst", "0"}, {"link", "maybe"}, {"speed", "1"}}) {
    const Status status = apply_setting(&settings, name, value);
    CHECK(status.code() == lhInvalidArgument);
    CHECK(status.text().find(name) != std::string::npos);
  }
  CHECK(settings == PathSettings{});
}
