// SPDX-License-Identifier: Apache-2.0
// The types and operations of reduce.cpp. An element type says how it is kept in memory and in which type it is
// combined; an operation combines two values and finishes a result once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "kernels/float16.h"
#include "kernels/loops.h"
#include "kernels/memory.h"

namespace longhaul::kernels {

/// Kept and combined as T: integers, fp32, fp64.
template <typename T>
struct Plain {
  using Work = T;
  static constexpr std::size_t kBytes = sizeof(T);
  static LH_INLINE T read(const std::byte* base, std::size_t index) { return load<T>(base, index); }
  static LH_INLINE void write(std::byte* base, std::size_t index, T value) { store<T>(base, index, value); }
};

struct Fp16 {
  using Work = float;
  static constexpr std::size_t kBytes = 2;
  static LH_INLINE float read(const std::byte* base, std::size_t i) { return fp16_to_float(load<std::uint16_t>(base, i)); }
  static LH_INLINE void write(std::byte* base, std::size_t i, float v) { store<std::uint16_t>(base, i, float_to_fp16(v)); }
};

struct Bf16 {
  using Work = float;
  static constexpr std::size_t kBytes = 2;
  static LH_INLINE float read(const std::byte* base, std::size_t i) { return bf16_to_float(load<std::uint16_t>(base, i)); }
  static LH_INLINE void write(std::byte* base, std::size_t i, float v) { store<std::uint16_t>(base, i, float_to_bf16(v)); }
};

/// Integer arithmetic wraps in the unsigned type: signed overflow would be undefined.
template <typename T, bool = std::is_integral_v<T>>
struct Wrapping {
  using Type = std::make_unsigned_t<T>;
};
template <typename T>
struct Wrapping<T, false> {
  using Type = T;
};

/// Which NaN an operation yields is settled once, at the end.
template <typename T>
LH_INLINE T settled(T value) {
  if constexpr (std::is_floating_point_v<T>) return canonical(value);
  return value;
}

/// value / divisor, toward zero for integers; the divisor is not 0.
template <typename T>
LH_INLINE T divided(T value, std::uint64_t divisor) {
  if constexpr (std::is_floating_point_v<T>) {
    return value / static_cast<T>(divisor);
  } else {
    using U = std::make_unsigned_t<T>;
    if (divisor > std::numeric_limits<U>::max()) return 0;
    const bool negative = value < 0;
    const U magnitude = negative ? static_cast<U>(U{0} - static_cast<U>(value)) : static_cast<U>(value);
    const U quotient = static_cast<U>(magnitude / static_cast<U>(divisor));
    return static_cast<T>(negative ? static_cast<U>(U{0} - quotient) : quotient);
  }
}

struct Sum {
  template <typename T>
  static LH_INLINE T combine(T a, T b) {
    using U = typename Wrapping<T>::Type;
    return static_cast<T>(static_cast<U>(a) + static_cast<U>(b));
  }
  template <typename T>
  static LH_INLINE T finish(T value, std::uint64_t) {
    return settled(value);
  }
};

struct Prod : Sum {
  template <typename T>
  static LH_INLINE T combine(T a, T b) {
    using U = typename Wrapping<T>::Type;
    return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  }
};

struct Avg : Sum {
  template <typename T>
  static LH_INLINE T finish(T value, std::uint64_t divisor) {
    return settled(divided(value, divisor));
  }
};

/// Of equal values (+0 and -0) the earlier source stays; NaN stays or enters.
struct Max : Sum {
  template <typename T>
  static LH_INLINE T combine(T a, T b) {
    const T larger = b > a ? b : a;
    if constexpr (std::is_floating_point_v<T>) return b != b ? b : larger;
    return larger;
  }
};

struct Min : Sum {
  template <typename T>
  static LH_INLINE T combine(T a, T b) {
    const T smaller = b < a ? b : a;
    if constexpr (std::is_floating_point_v<T>) return b != b ? b : smaller;
    return smaller;
  }
};

}  // namespace longhaul::kernels
