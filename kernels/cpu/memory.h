// SPDX-License-Identifier: Apache-2.0
// Element access at any address: what callers pass as float* may have byte alignment only. Compilers turn these copies
// into unaligned vector loads and stores.
#pragma once

#include <cstddef>
#include <cstring>

#include "kernels/dispatch.h"

namespace longhaul::kernels {

template <typename T>
LH_INLINE T load(const std::byte* base, std::size_t index) {
  T value;
  std::memcpy(&value, base + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
LH_INLINE void store(std::byte* base, std::size_t index, T value) {
  std::memcpy(base + index * sizeof(T), &value, sizeof(T));
}

/// Pads a part of a blob; any size up to the last 15 values of size_t.
inline std::size_t padded_to_16(std::size_t bytes) { return (bytes + 15) & ~std::size_t{15}; }

/// Beyond this no buffer of fp32 values exists; sizes saturate there instead of wrapping.
constexpr std::size_t kMostValues = static_cast<std::size_t>(-1) / 8;

}  // namespace longhaul::kernels
