// SPDX-License-Identifier: Apache-2.0
// Deterministic pseudo-random numbers (SplitMix64, Steele, Lea and Flood 2014) for simulation, emulation and jitter. Never
// for secrets: those come from OpenSSL's RAND_bytes.
#pragma once

#include <cstdint>

namespace longhaul {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  /// Uniform in [0, n); n > 0. (Modulo bias below 2^-32 for the small n used here.)
  std::uint64_t below(std::uint64_t n) { return next() % n; }
  /// Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool chance(double probability) { return uniform() < probability; }

 private:
  std::uint64_t state_;
};

}  // namespace longhaul
