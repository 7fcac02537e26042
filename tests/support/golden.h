// SPDX-License-Identifier: Apache-2.0
// What tests/golden/codecs.txt was computed from: the values of every line, the rotation, and the digest.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "codec/codec.h"

namespace longhaul::test::golden {

constexpr std::size_t kPatterns = 8, kCounts = 4;  ///< of every codec's lines
inline const codec::Rotation kRotation{.key = 0x0123456789abcdef, .operation = 0x1122334455667788, .chunk = 5};

inline std::string digest(const void* data, std::size_t size) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const std::uint8_t*>(data)[i]) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

inline std::uint32_t mixed(std::uint32_t i) {
  std::uint32_t x = i * 2654435761u + 12345u;
  x = (x ^ x >> 16) * 0x45d9f3bu;
  return x ^ x >> 16;
}

inline float spread(std::uint32_t i) { return std::bit_cast<float>((mixed(i) & 0x807fffff) | (127 - mixed(i + 1000000) % 24) << 23); }

inline float value_of(const std::string& pattern, std::uint32_t i) {
  if (pattern == "steps") {
    const std::uint64_t square = static_cast<std::uint64_t>(i) * i * 37;
    return static_cast<float>(static_cast<int>((square + i * 11) % 2003) - 1001) * 0x1p-7f * static_cast<float>(1 + i / 128);
  }
  if (pattern == "sparse") return mixed(i + 7) % 8 == 0 ? spread(i) : 0.0f;
  if (pattern == "short") return std::bit_cast<float>(std::bit_cast<std::uint32_t>(spread(i)) & 0xffff0000);
  if (pattern == "narrow") {
    const auto low = static_cast<std::uint32_t>(std::bit_width(mixed(i + 3) & 7));
    return std::bit_cast<float>((mixed(i) & 0x807fffff) | (127 - low) << 23);
  }
  if (pattern == "border") return value_of("narrow", i) * 0x1.02f83ep0f;
  if (pattern == "small") return spread(i) * 0x1p-100f;
  if (pattern == "large") return spread(i) * 0x1p108f;
  if (pattern != "spread") throw std::invalid_argument("no pattern of golden values: " + pattern);
  return spread(i);
}

}  // namespace longhaul::test::golden
