// SPDX-License-Identifier: Apache-2.0
// The transport contract over the simulated network, and what only it promises: exact times, counted faults, replay
// from a seed, partitions, dead nodes.
#include <poll.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "contract/sim_world.h"
#include "contract/transport_suite.h"
#include "support/catch.h"
#include "support/event_log.h"
#include "transport/sim/network.h"

using namespace longhaul;
using namespace longhaul::testing;
using longhaul::transport::Faults;
using longhaul::transport::SimCounters;

namespace {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) { return (hash ^ value) * 0x100000001b3u; }

/// Sends numbered frames with every fault on, and hashes what arrives, byte by byte, with its time.
std::uint64_t trace_of_a_bad_day(std::uint64_t seed) {
  SimOptions options = wan_options();
  options.link.loss = 0.01;
  options.seed = seed;
  World world(options);
  EndpointId endpoint = world.connect();
  world.network.set_faults({0.05, 0.05, 0.05, 0.05, 0.05, 0.01});
  const std::vector<std::byte> payload = pattern_bytes(3000, 1);
  std::uint64_t hash = 14695981039346656037u;
  world.log(1).when_received = [&](const ReceivedFrame& frame) {
    hash = mix(hash, static_cast<std::uint64_t>(world.now));
    for (const std::byte b : frame.header) hash = mix(hash, static_cast<std::uint64_t>(b));
    for (const std::byte b : frame.payload()) hash = mix(hash, static_cast<std::uint64_t>(b));
  };
  for (std::uint64_t i = 0; i < 500; ++i) {
    if (world.log(0).find_closed(endpoint)) endpoint = world.at(0).connect({"", 1});
    world.at(0).post(endpoint, number_header(i), payload, i + 1);
    world.run(world.now + 100 * kMicrosecond);
  }
  world.run();
  CHECK(world.log(0).sent_once(1, 500));
  CHECK(world.network.counters().resets > 0);
  return mix(hash, world.network.counters().delivered);
}

}  // namespace

TEST_CASE("sim keeps the transport contract", "[contract][sim]") { run_transport_suite(sim_factory({})); }

TEST_CASE("sim keeps the transport contract over a WAN", "[contract][sim]") {
  SimOptions options = wan_options();
  options.link.loss = 0.001;
  run_transport_suite(sim_factory(options));
}

TEST_CASE("sim frames take exactly the link's time", "[contract][sim]") {
  World world(wan_options());
  const EndpointId endpoint = world.connect();
  CHECK(world.now == kOneWay);
  const std::vector<std::byte> payload = pattern_bytes(100'000, 1);
  const TimeNs start = world.now;
  const TimeNs wire = wire_time(100'008);
  for (std::uint64_t i = 0; i < 2; ++i) world.at(0).post(endpoint, number_header(i), payload, i + 1);
  CHECK(world.at(0).next_event() == start + wire);
  CHECK(world.at(1).next_event() == start + wire + kOneWay);
  world.run(start + wire - 1);
  CHECK(world.log(0).sent.empty());
  world.run(start + wire);
  CHECK(world.log(0).sent_once(1, 1));  // the memory is free at the end of serialisation ...
  CHECK(world.log(0).sent.size() == 1);
  world.run(start + wire + kOneWay - 1);
  CHECK(world.log(1).frames.empty());
  world.run(start + wire + kOneWay);
  CHECK(world.log(1).frames.size() == 1);  // ... and the frame is there one way later
  world.run();
  CHECK(world.now == start + wire_time(2 * 100'008) + kOneWay);
  CHECK(world.log(1).frames.size() == 2);
}

TEST_CASE("sim nodes of one site share their WAN link and see each other at once", "[contract][sim]") {
  Network network({0, 0, 1}, wan_options());
  std::vector<std::unique_ptr<Transport>> nodes;
  for (int i = 0; i < 3; ++i) nodes.push_back(network.make_transport(i));
  EventLog log;
  REQUIRE(nodes[2]->listen().ok());
  REQUIRE(nodes[1]->listen().ok());
  const std::vector<std::byte> payload = pattern_bytes(95'000, 1);  // 0.8 ms
  for (std::size_t i = 0; i < 2; ++i) nodes[i]->post(nodes[i]->connect({"", 2}), {}, payload, 1);
  CHECK(nodes[0]->next_event() == 800'000);
  CHECK(nodes[1]->next_event() == 1'600'000);
  nodes[0]->post(nodes[0]->connect({"", 1}), {}, payload, 2);
  (void)nodes[1]->poll(log, 0);
  CHECK(log.accepted.size() == 1);
  CHECK(log.frames.size() == 1);
}

TEST_CASE("sim does every kind of damage, and counts it", "[contract][sim]") {
  SimOptions options = wan_options();
  World world(options);
  const EndpointId endpoint = world.connect();
  const std::vector<std::byte> payload = pattern_bytes(500, 1);
  constexpr std::uint64_t kFrames = 1000;
  const auto send = [&](const Faults& faults) {
    world.network.set_faults(faults);
    for (std::uint64_t i = 0; i < kFrames; ++i) world.at(0).post(endpoint, number_header(i), payload, i + 1);
    world.run();
    CHECK(world.log(0).sent_once(1, kFrames));
    return world.network.counters();
  };
  const auto ordered = [&] {
    const auto& frames = world.log(1).frames;
    return std::is_sorted(frames.begin(), frames.end(), [](const ReceivedFrame& a, const ReceivedFrame& b) {
      return header_number(a.header) < header_number(b.header);
    });
  };
  Faults faults;
  std::size_t changed = 0;
  SECTION("none") {
    CHECK(send(faults).delivered == kFrames);
    CHECK(ordered());
  }
  SECTION("loss") {
    faults.loss = 0.1;
    const SimCounters counters = send(faults);
    CHECK((counters.lost > 50 && counters.lost < 200));
    CHECK(world.log(1).frames.size() == kFrames - counters.lost);
    CHECK(ordered());
  }
  SECTION("duplicates") {
    faults.duplicate = 0.1;
    const SimCounters counters = send(faults);
    CHECK((counters.duplicated > 50 && counters.duplicated < 200));
    CHECK(world.log(1).frames.size() == kFrames + counters.duplicated);
  }
  SECTION("reordering") {
    faults.reorder = 0.1;
    const SimCounters counters = send(faults);
    CHECK((counters.reordered > 50 && counters.reordered < 200));
    CHECK(world.log(1).frames.size() == kFrames);
    CHECK_FALSE(ordered());
  }
  SECTION("flipped bits") {
    faults.corrupt = 0.1;
    const SimCounters counters = send(faults);
    for (std::uint64_t i = 0; i < kFrames; ++i) {
      const ReceivedFrame& frame = world.log(1).frames[i];
      if (header_number(frame.header) != i || !same_bytes(frame.payload(), payload)) ++changed;
    }
    CHECK((changed > 50 && changed < 200));
    CHECK(changed == counters.corrupted);
  }
  SECTION("truncation") {
    faults.truncate = 0.1;
    const SimCounters counters = send(faults);
    for (const ReceivedFrame& frame : world.log(1).frames) {
      if (frame.payload().size() < payload.size()) ++changed;
    }
    CHECK((changed > 50 && changed < 200));
    CHECK(changed == counters.truncated);
  }
}

TEST_CASE("sim ends connections, and counts it", "[contract][sim]") {
  World world(wan_options());
  const EndpointId endpoint = world.connect();
  const std::vector<std::byte> payload = pattern_bytes(500, 1);
  constexpr std::uint64_t kFrames = 1000;
  Faults faults;
  faults.reset = 0.01;
  world.network.set_faults(faults);
  for (std::uint64_t i = 0; i < kFrames; ++i) world.at(0).post(endpoint, number_header(i), payload, i + 1);
  world.run();
  CHECK(world.log(0).sent_once(1, kFrames));
  const SimCounters counters = world.network.counters();
  CHECK(counters.resets == 1);
  CHECK(counters.delivered < kFrames);
  for (int node : {0, 1}) {
    REQUIRE(world.log(node).closed.size() == 1);
    CHECK(world.log(node).closed[0].reason == CloseReason::Reset);
  }
}

TEST_CASE("sim replays from its seed", "[contract][sim]") {
  const std::uint64_t trace = trace_of_a_bad_day(1);
  CHECK(trace_of_a_bad_day(1) == trace);
  CHECK(trace_of_a_bad_day(2) != trace);
}

TEST_CASE("sim kills a node: resets, then refusals until it is restored", "[contract][sim]") {
  World world(wan_options());
  const EndpointId endpoint = world.connect();
  world.at(0).post(endpoint, number_header(1), {}, 0);
  world.network.kill_node(1);
  world.run();
  REQUIRE(world.log(0).closed.size() == 1);
  CHECK(world.log(0).closed[0].reason == CloseReason::Reset);
  CHECK(world.log(1).closed.size() == 1);  // the zombie notices too
  CHECK(world.log(1).frames.empty());      // in flight at the kill
  const EndpointId refused = world.at(0).connect({"", 1});
  const EndpointId zombie = world.at(1).connect({"", 0});
  world.run();
  REQUIRE(world.log(0).find_closed(refused));
  CHECK(world.log(0).find_closed(refused)->reason == CloseReason::Refused);
  REQUIRE(world.log(1).find_closed(zombie));
  CHECK(world.log(1).find_closed(zombie)->reason == CloseReason::Failed);

  world.transports[1].reset();  // a new process on the node
  world.network.restore_node(1);
  world.transports[1] = world.network.make_transport(1);
  const EndpointId early = world.at(0).connect({"", 1});
  world.run();
  REQUIRE(world.log(0).find_closed(early));  // it does not listen yet
  CHECK(world.log(0).find_closed(early)->reason == CloseReason::Refused);
  REQUIRE(world.at(1).listen().ok());
  const EndpointId again = world.at(0).connect({"", 1});
  world.at(0).post(again, number_header(2), {}, 0);
  world.run();
  CHECK(world.log(1).frames.size() == 1);
  CHECK(world.network.counters().refused == 2);
}

TEST_CASE("sim answers unreachable nodes and lost peers", "[contract][sim]") {
  World world(wan_options());
  const EndpointId nowhere = world.at(0).connect({"", 77});
  world.at(0).post(nowhere, number_header(1), pattern_bytes(10, 1), 9);
  world.run();
  REQUIRE(world.log(0).find_closed(nowhere));
  CHECK(world.log(0).find_closed(nowhere)->reason == CloseReason::Failed);
  CHECK(world.log(0).find_closed(nowhere)->text.find("77") != std::string::npos);
  CHECK(world.log(0).sent_once(9, 1));
  const EndpointId endpoint = world.connect();
  world.transports[1].reset();
  world.run();
  REQUIRE(world.log(0).find_closed(endpoint));
  CHECK(world.log(0).find_closed(endpoint)->reason == CloseReason::Reset);
}

TEST_CASE("sim cuts swallow frames, and a half-open connection is reset by its next frame", "[contract][sim]") {
  World world(wan_options());
  const EndpointId endpoint = world.connect();
  const EndpointId far_end = world.log(1).accepted[0];
  world.at(0).post(endpoint, number_header(1), {}, 0);
  world.network.cut(0, 1, true);  // with a frame in flight
  world.at(1).post(far_end, number_header(2), {}, 0);
  world.at(0).post(endpoint, number_header(3), pattern_bytes(10, 1), 5);
  world.run();
  CHECK(world.log(0).sent_once(5, 1));
  CHECK((world.log(0).frames.empty() && world.log(1).frames.empty()));
  CHECK((world.log(0).closed.empty() && world.log(1).closed.empty()));
  CHECK(world.network.counters().cut == 3);

  SECTION("nothing was closed: traffic goes on") {
    world.network.cut(0, 1, false);
    world.at(0).post(endpoint, number_header(4), {}, 0);
    world.run();
    CHECK(world.log(1).frames.size() == 1);
  }
  SECTION("closed meanwhile") {
    world.at(0).close(endpoint);
    world.run();
    CHECK(world.log(1).closed.empty());
    world.network.restore();
    world.at(1).post(far_end, number_header(4), {}, 0);
    world.run();
    REQUIRE(world.log(1).find_closed(far_end));
    CHECK(world.log(1).find_closed(far_end)->reason == CloseReason::Reset);
    CHECK(world.log(0).closed.empty());  // closed by its owner
  }
  SECTION("one way only") {
    world.network.cut_one_way(0, 1, false);
    world.at(0).post(endpoint, number_header(4), {}, 0);
    world.at(1).post(far_end, number_header(5), {}, 0);
    world.run();
    CHECK(world.log(1).frames.size() == 1);
    CHECK(world.log(0).frames.empty());
  }
}

TEST_CASE("sim gives a post a clock's time and wakes a sleeper for news only", "[contract][sim]") {
  World world(wan_options());
  const EndpointId endpoint = world.connect();
  const EndpointId far_end = world.log(1).accepted[0];
  TimeNs clock = world.now + kSecond;
  world.network.set_clock([&clock] { return clock; });
  std::vector<pollfd> fds;
  world.at(1).append_wait_fds(fds);
  REQUIRE(fds.size() == 1);
  const auto readable = [&] { return ::poll(fds.data(), 1, 0) == 1; };
  REQUIRE(world.at(1).arm());
  CHECK_FALSE(readable());
  world.at(0).post(endpoint, number_header(1), {}, 0);
  CHECK(readable());
  CHECK(world.at(1).next_event() == clock + wire_time(8) + kOneWay);
  CHECK_FALSE(world.at(1).arm());  // changed since the last poll
  world.now = clock;
  world.poll();
  CHECK_FALSE(readable());
  REQUIRE(world.at(1).arm());
  world.at(0).post(endpoint, number_header(2), {}, 0);
  CHECK_FALSE(readable());  // later than what it sleeps for
  world.run();
  CHECK(world.log(1).frames.size() == 2);
  world.at(1).post(far_end, number_header(1), pattern_bytes(9, 1), 1);
  CHECK(world.at(1).arm());  // its own sent notice is in next_event
}

TEST_CASE("sim reuses its buffers", "[contract][sim]") {
  World world(wan_options());
  const EndpointId endpoint = world.connect();
  const std::vector<std::byte> payload = pattern_bytes(100'000, 1);
  const auto burst = [&] {
    for (std::uint64_t i = 0; i < 20; ++i) world.at(0).post(endpoint, number_header(i), payload, i + 1);
    world.run();
    world.log(1).frames.clear();
    return world.at(1).memory_bytes();
  };
  const std::size_t warm = burst();
  CHECK(warm >= 20 * payload.size());
  for (int i = 0; i < 10; ++i) CHECK(burst() == warm);
}
