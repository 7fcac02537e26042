// SPDX-License-Identifier: Apache-2.0
// The transport contract over a shaped transport, and its own promises: exact release times, a shared rate, order
// across a change of link, every cookie given back.
#include <memory>
#include <vector>

#include "contract/sim_world.h"
#include "contract/transport_suite.h"
#include "support/catch.h"
#include "support/event_log.h"
#include "transport/shaped.h"

using namespace longhaul;
using namespace longhaul::testing;
using longhaul::transport::ShapedTransport;

namespace {

TransportFactory shaped_factory(const LinkParameters& link) {
  return [link] {
    TransportPair pair = sim_factory({})();
    pair.a = std::make_unique<ShapedTransport>(std::move(pair.a), std::vector<LinkParameters>{link});
    pair.b = std::make_unique<ShapedTransport>(std::move(pair.b), std::vector<LinkParameters>{link});
    return pair;
  };
}

/// A world without delays whose node 0 is shaped.
struct ShapedWorld : World {
  explicit ShapedWorld(const std::vector<LinkParameters>& links, int default_link = 0) : World(SimOptions{}) {
    auto made = std::make_unique<ShapedTransport>(std::move(transports[0]), links, default_link);
    shaped = made.get();
    transports[0] = std::move(made);
  }
  ShapedTransport* shaped = nullptr;
};

}  // namespace

TEST_CASE("shaped keeps the transport contract", "[contract][shaped]") {
  LinkParameters link = wan(10 * kGigabit);
  link.loss = 0.001;
  run_transport_suite(shaped_factory(link));
}

TEST_CASE("shaped releases frames exactly at the link's time, in order", "[contract][shaped]") {
  ShapedWorld world({wan()});
  const EndpointId endpoint = world.connect();
  const std::vector<std::byte> payload = pattern_bytes(100'000, 1);
  const TimeNs wire = wire_time(100'008);
  for (std::uint64_t i = 0; i < 20; ++i) world.at(0).post(endpoint, number_header(i), payload, i + 1);
  CHECK(world.shaped->waiting() == 20);
  CHECK(world.at(0).next_event() == wire + kOneWay);
  world.run(wire + kOneWay - 1);
  CHECK(world.log(1).frames.empty());
  CHECK(world.log(0).sent.empty());  // the payload is still needed
  world.run(wire + kOneWay);
  CHECK(world.log(1).frames.size() == 1);
  CHECK(world.log(0).sent.size() == 1);
  world.run();
  CHECK(world.now == wire_time(20 * 100'008) + kOneWay);
  REQUIRE(world.log(1).frames.size() == 20);
  for (std::uint64_t i = 0; i < 20; ++i) CHECK(header_number(world.log(1).frames[i].header) == i);
  CHECK(world.log(0).sent_once(1, 20));
  CHECK(world.shaped->waiting() == 0);
}

TEST_CASE("shaped endpoints of one link share its rate, others do not", "[contract][shaped]") {
  ShapedWorld world({wan(), wan(2 * kGigabit)});
  std::vector<EndpointId> ends;
  for (int i = 0; i < 4; ++i) ends.push_back(world.at(0).connect({"", 1}));
  world.shaped->assign(ends[2], 1);
  world.shaped->assign(ends[3], ShapedTransport::kPassThrough);
  world.shaped->assign(987654, 1);  // unknown: ignored
  const std::vector<std::byte> payload = pattern_bytes(950'000, 1);
  std::vector<TimeNs> arrivals;
  world.log(1).when_received = [&](const ReceivedFrame&) { arrivals.push_back(world.now); };
  for (std::size_t i = 0; i < 4; ++i) world.at(0).post(ends[i], {}, payload, i + 1);
  world.run();
  CHECK(arrivals == std::vector<TimeNs>{0, 4'000'000 + kOneWay, 8'000'000 + kOneWay, 16'000'000 + kOneWay});
}

TEST_CASE("shaped keeps the order when an endpoint changes its link", "[contract][shaped]") {
  ShapedWorld world({wan(), LinkParameters{}});
  const EndpointId endpoint = world.connect();
  std::uint64_t number = 0;
  for (int link : {0, 1, ShapedTransport::kPassThrough, 0}) {
    world.shaped->assign(endpoint, link);
    world.at(0).post(endpoint, number_header(number++), {}, 0);
  }
  world.run();
  REQUIRE(world.log(1).frames.size() == 4);
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(header_number(world.log(1).frames[i].header) == i);
  world.shaped->assign(endpoint, ShapedTransport::kPassThrough);
  world.at(0).post(endpoint, number_header(4), {}, 0);
  CHECK(world.shaped->waiting() == 0);
}

TEST_CASE("shaped passes through by default where asked", "[contract][shaped]") {
  ShapedWorld world({wan()}, ShapedTransport::kPassThrough);
  const EndpointId endpoint = world.connect();
  world.at(0).post(endpoint, number_header(1), {}, 0);
  world.run();
  CHECK(world.now == 0);
  CHECK(world.log(1).frames.size() == 1);
}

TEST_CASE("shaped gives waiting frames back when their endpoint ends", "[contract][shaped]") {
  const bool by_owner = GENERATE(true, false);
  ShapedWorld world({wan()});
  const EndpointId endpoint = world.connect();
  const EndpointId other = world.at(0).connect({"", 1});
  const std::vector<std::byte> payload = pattern_bytes(1000, 1);
  for (std::uint64_t i = 0; i < 5; ++i) {
    world.at(0).post(endpoint, number_header(i), payload, i + 1);
    world.at(0).post(endpoint, number_header(i), {}, 0);  // nothing to give back
    world.at(0).post(other, number_header(i), payload, i + 101);
  }
  if (by_owner) {
    world.at(0).close(endpoint);
  } else {
    world.at(1).close(world.log(1).accepted[0]);
  }
  CHECK(world.log(0).sent.empty());  // reported by poll only
  CHECK(world.at(0).next_event() <= world.now);
  if (by_owner) CHECK_FALSE(world.at(0).arm());
  world.poll();
  CHECK(world.log(0).sent_once(1, 5));
  CHECK(world.log(0).sent.size() == 5);
  CHECK(world.shaped->waiting() == 5);
  CHECK(world.log(0).closed.size() == (by_owner ? 0u : 1u));
  world.run();
  CHECK(world.log(0).sent_once(101, 5));
  REQUIRE(world.log(1).frames.size() == 5);
  for (std::uint64_t i = 0; i < 5; ++i) CHECK(header_number(world.log(1).frames[i].header) == i);
}

TEST_CASE("shaped dates a post by its clock", "[contract][shaped]") {
  ShapedWorld world({wan()});
  const EndpointId endpoint = world.connect();
  TimeNs clock = 30 * kSecond;
  world.shaped->set_clock([&clock] { return clock; });
  world.at(0).post(endpoint, number_header(1), {}, 0);
  CHECK(world.at(0).next_event() == clock + wire_time(8) + kOneWay);
}

TEST_CASE("shaped reuses its slots", "[contract][shaped]") {
  ShapedWorld world({wan()});
  const EndpointId endpoint = world.connect();
  const auto burst = [&] {
    for (std::uint64_t i = 0; i < 1000; ++i) world.at(0).post(endpoint, number_header(i), {}, 0);
    world.run();
    return world.at(0).memory_bytes();
  };
  const std::size_t warm = burst();
  for (int i = 0; i < 5; ++i) CHECK(burst() == warm);
  CHECK(world.log(1).frames.size() == 6000);
}
