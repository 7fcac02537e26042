// SPDX-License-Identifier: Apache-2.0
// Every instruction set that this CPU has and the kernels are compiled for: tests run each, not only the one that the library
// chooses. Not for tests with several threads: the choice is one for the process.
#pragma once

#include "kernels/targets.h"
// After targets.h.
#include <hwy/targets.h>

#include <vector>

namespace longhaul::test {

inline std::vector<std::int64_t> simd_targets() {
  std::vector<std::int64_t> targets;
  for (std::int64_t left = hwy::SupportedTargets() & (HWY_TARGETS); left != 0; left &= left - 1) targets.push_back(left & -left);
  return targets;
}

/// The kernels run in this instruction set as long as it lives.
class UseTarget {
 public:
  explicit UseTarget(std::int64_t target) { hwy::GetChosenTarget().Update(target); }
  UseTarget(const UseTarget&) = delete;
  UseTarget& operator=(const UseTarget&) = delete;
  ~UseTarget() { hwy::GetChosenTarget().Update(hwy::SupportedTargets()); }
};

}  // namespace longhaul::test
