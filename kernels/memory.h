// SPDX-License-Identifier: Apache-2.0
// Element access at any address: what callers pass as float* may have byte alignment only. Compilers turn these copies into
// unaligned loads and stores.
#pragma once

#include <cstddef>
#include <cstring>

namespace longhaul::kernels {

template <typename T>
__attribute__((always_inline)) inline T load(const void* base, std::size_t index) {
  T value;
  std::memcpy(&value, static_cast<const std::byte*>(base) + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
__attribute__((always_inline)) inline void store(void* base, std::size_t index, T value) {
  std::memcpy(static_cast<std::byte*>(base) + index * sizeof(T), &value, sizeof(T));
}

}  // namespace longhaul::kernels
