// SPDX-License-Identifier: Apache-2.0
// LH_SIM_SCHEDULES and LH_SIM_FIRST_SEED choose how many schedules run and from where; a failing seed is printed and replays.
#include <cstdlib>
#include <string>

#include "schedules.h"
#include "support/catch.h"
#include "world.h"

using namespace longhaul;
using namespace longhaul::sim;

namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* value = std::getenv(name);
  return value ? std::stoull(value) : otherwise;
}

}  // namespace

TEST_CASE("calls survive every mix of faults bit for bit", "[sim]") {
  const std::uint64_t schedules = from_environment("LH_SIM_SCHEDULES", 2000);
  const std::uint64_t first = from_environment("LH_SIM_FIRST_SEED", 1);
  std::uint64_t faults = 0, calls = 0;
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    const Outcome outcome = run_schedule(seed);
    INFO("seed " << seed);
    REQUIRE(outcome.problem == "");
    faults += outcome.faults;
    calls += outcome.calls;
  }
  CHECK(calls > schedules);
  CHECK(faults > schedules);  // the simulator really hurts
}

TEST_CASE("a dead rank is noticed by all within five seconds", "[sim]") {
  const std::uint64_t first = from_environment("LH_SIM_FIRST_SEED", 1);
  for (std::uint64_t seed = first; seed < first + from_environment("LH_SIM_SCHEDULES", 2000) / 10; ++seed) {
    INFO("seed " << seed);
    REQUIRE(run_kill_schedule(seed).problem == "");
  }
}

TEST_CASE("a seed replays exactly", "[sim]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Outcome once = run_schedule(seed);
    CHECK(run_schedule(seed).trace == once.trace);
    CHECK(run_schedule(seed + 1000).trace != once.trace);
  }
}

TEST_CASE("ranks of a site go at the pace of the slowest of them", "[sim]") {
  WorldOptions options{.seed = 1, .site_sizes = {2, 2}, .network = {}, .session = {}};
  options.network.link.one_way_ns = 5 * kMillisecond;
  World world(options);
  const auto all_reduce = [&] {
    WorldCall call(&world, {.collective = plan::Collective::AllReduce, .type = lhFloat32, .count = 4096}, true);
    for (int rank = 0; rank < world.ranks(); ++rank) call.submit(rank, world.now() + 10 * kSecond);
    REQUIRE(world.run(world.now() + 20 * kSecond, [&] { return call.finished(); }));
    REQUIRE(call.verdict() == "");
  };
  for (int call = 0; call < 3; ++call) all_reduce();  // distances are known now
  for (int rank = 0; rank < world.ranks(); ++rank) world.engine(rank).links_carry(rank == 1 ? 50e6 : 100e6);
  all_reduce();
  all_reduce();
  CHECK(world.engine(1).stats().link_rate == Approx(50e6));
  CHECK(world.engine(0).stats().link_rate == Approx(50e6).epsilon(0.06));
  CHECK(world.engine(2).stats().link_rate == Approx(100e6));  // another site: another direction of the link
}
