// SPDX-License-Identifier: Apache-2.0
// Time is an argument: protocol objects take `now` and never read a clock. A clock is read once per engine step.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>

namespace longhaul {

using TimeNs = std::int64_t;  ///< nanoseconds, monotonic, arbitrary origin; also durations

constexpr TimeNs kNever = std::numeric_limits<TimeNs>::max();
constexpr TimeNs kMicrosecond = 1'000;
constexpr TimeNs kMillisecond = 1'000'000;
constexpr TimeNs kSecond = 1'000'000'000;

/// CLOCK_MONOTONIC.
inline TimeNs steady_now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace longhaul
