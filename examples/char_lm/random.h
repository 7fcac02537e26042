// SPDX-License-Identifier: Apache-2.0
// Small reproducible random numbers (splitmix64) and the hash that proves equal parameters: the same on every machine,
// unlike the distributions of the standard library.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace char_lm {

inline std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15U); }
  /// In [-1, 1), 24 bits.
  float uniform() { return static_cast<float>(next() >> 40) * 0x1p-23F - 1.0F; }

 private:
  std::uint64_t state_;
};

/// Hash of the exact bits.
inline std::uint64_t hash_of(std::span<const float> values) {
  std::uint64_t hash = values.size();
  for (const float value : values) hash = mix(hash + 0x9e3779b97f4a7c15U + std::bit_cast<std::uint32_t>(value));
  return hash;
}

inline std::uint64_t hash_of(std::span<const std::uint8_t> bytes) {
  std::uint64_t hash = bytes.size();
  for (const std::uint8_t byte : bytes) hash = mix(hash + 0x9e3779b97f4a7c15U + byte);
  return hash;
}

}  // namespace char_lm
