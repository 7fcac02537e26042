// SPDX-License-Identifier: Apache-2.0
// One schedule: a world of random shape lives through random faults while random calls are in flight, is then healed, and must
// finish. Two phases, because without the second a hang looks like bad luck.
#pragma once

#include <cstdint>
#include <string>

namespace longhaul::sim {

struct Outcome {
  std::string problem;  ///< "" when everything that must hold held
  std::uint64_t trace = 0;
  std::uint64_t calls = 0;
  std::uint64_t faults = 0;  ///< frames lost, damaged, doubled, connections broken
};

/// Every call must succeed on every rank with exactly the expected bytes.
Outcome run_schedule(std::uint64_t seed);
/// A rank is killed in the middle: the others must all fail by name within 5 s, and nobody may succeed with wrong bytes.
Outcome run_kill_schedule(std::uint64_t seed);

}  // namespace longhaul::sim
