// SPDX-License-Identifier: Apache-2.0
// LH_SIM_SCHEDULES and LH_SIM_FIRST_SEED choose how many schedules run and from where; a failing seed is printed and replays.
#include <cstdlib>
#include <string>

#include "schedules.h"
#include "support/catch.h"

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
