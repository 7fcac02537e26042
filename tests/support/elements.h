// SPDX-License-Identifier: Apache-2.0
// Elements of every data type and an independent reference of the reductions: integers exactly (wrapping), floats in
// long double with the error bound that the promised order of summation allows.
#pragma once

#include <longhaul/longhaul.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

namespace longhaul::testing {

struct Half {
  std::uint16_t bits;
};
struct Brain {
  std::uint16_t bits;
};

template <typename T>
constexpr bool kIsInteger = std::is_integral_v<T>;
/// Distance of 1 and the next value.
template <typename T>
constexpr double kEpsilon = std::is_same_v<T, double>  ? 0x1p-52
                            : std::is_same_v<T, float> ? 0x1p-23
                            : std::is_same_v<T, Half>  ? 0x1p-10
                                                       : 0x1p-7;

inline long double value_of(Half x) {
  const int exponent = x.bits >> 10 & 31, mantissa = x.bits & 1023;
  const long double sign = x.bits >> 15 ? -1 : 1;
  if (exponent == 31) return mantissa ? std::numeric_limits<long double>::quiet_NaN() : sign * HUGE_VALL;
  return sign * (exponent ? std::ldexp(1024.0L + mantissa, exponent - 25) : std::ldexp(1.0L * mantissa, -24));
}
inline long double value_of(Brain x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}
template <typename T>
long double value_of(T x) {
  return static_cast<long double>(x);
}

/// Calls f with a null pointer to the C++ type of `type`.
template <typename F>
decltype(auto) with_type(lhDataType_t type, F&& f) {
  switch (type) {
    case lhInt8:
      return f(static_cast<std::int8_t*>(nullptr));
    case lhUint8:
      return f(static_cast<std::uint8_t*>(nullptr));
    case lhInt32:
      return f(static_cast<std::int32_t*>(nullptr));
    case lhUint32:
      return f(static_cast<std::uint32_t*>(nullptr));
    case lhInt64:
      return f(static_cast<std::int64_t*>(nullptr));
    case lhUint64:
      return f(static_cast<std::uint64_t*>(nullptr));
    case lhFloat16:
      return f(static_cast<Half*>(nullptr));
    case lhFloat32:
      return f(static_cast<float*>(nullptr));
    case lhFloat64:
      return f(static_cast<double*>(nullptr));
    case lhBfloat16:
      break;
  }
  return f(static_cast<Brain*>(nullptr));
}

inline std::size_t size_of(lhDataType_t type) {
  return with_type(type, [](auto* t) { return sizeof *t; });
}

inline std::uint64_t mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
  x = (x ^ x >> 27) * 0x94d049bb133111ebU;
  return x ^ x >> 31;
}

/// A value from random bits: any integer (an eighth of the range for averages, so that no sum of 8 ranks wraps), or a
/// float of size 0.25 to 4.
template <typename T>
T make_element(std::uint64_t random, lhRedOp_t op) {
  if constexpr (kIsInteger<T>) {
    const auto any = static_cast<T>(random);
    return op == lhAvg ? static_cast<T>(any / 8) : any;
  } else if constexpr (std::is_same_v<T, Half>) {
    return {static_cast<std::uint16_t>((random & 0x83ff) | (13 + (random >> 16 & 3)) << 10)};
  } else if constexpr (std::is_same_v<T, Brain>) {
    return {static_cast<std::uint16_t>((random & 0x807f) | (125 + (random >> 16 & 3)) << 7)};
  } else {
    const double size = std::ldexp(1 + static_cast<double>(random >> 12) * 0x1p-52, static_cast<int>(random & 3) - 2);
    return static_cast<T>(random & 4 ? -size : size);
  }
}

using Buffer = std::vector<std::byte>;

template <typename T>
T load(const std::byte* base, std::size_t i) {
  T value;
  std::memcpy(&value, base + i * sizeof(T), sizeof value);
  return value;
}
template <typename T>
void store(std::byte* base, std::size_t i, T value) {
  std::memcpy(base + i * sizeof(T), &value, sizeof value);
}

inline Buffer make_input(lhDataType_t type, lhRedOp_t op, std::size_t count, int rank, std::uint64_t seed = 1) {
  return with_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    Buffer buffer(count * sizeof(T));
    for (std::size_t i = 0; i < count; ++i)
      store(buffer.data(), i, make_element<T>(mix(seed << 48 ^ static_cast<std::uint64_t>(rank) << 40 ^ i), op));
    return buffer;
  });
}

template <typename T>
T reduce_integers(const std::vector<T>& x, lhRedOp_t op) {
  T extreme = x[0];
  std::uint64_t sum = 0, product = 1;
  for (const T value : x) {
    sum += static_cast<std::uint64_t>(value);
    product *= static_cast<std::uint64_t>(value);
    if (op == lhMax ? value > extreme : value < extreme) extreme = value;
  }
  if (op == lhSum) return static_cast<T>(sum);
  if (op == lhProd) return static_cast<T>(product);
  if (op == lhMax || op == lhMin) return extreme;
  if constexpr (std::is_signed_v<T>)
    return static_cast<T>(static_cast<std::int64_t>(sum) / static_cast<std::int64_t>(x.size()));
  return static_cast<T>(sum / x.size());
}

template <typename T>
bool is_reduction(T got, const std::vector<T>& x, lhRedOp_t op) {
  if constexpr (kIsInteger<T>) {
    return got == reduce_integers(x, op);
  } else {
    long double sum = 0, sizes = 0, product = 1, extreme = value_of(x[0]);
    for (const T element : x) {
      const long double value = value_of(element);
      sum += value;
      sizes += std::fabs(value);
      product *= value;
      extreme = op == lhMax ? std::max(extreme, value) : std::min(extreme, value);
    }
    if (op == lhMax || op == lhMin) return value_of(got) == extreme;
    // 16-bit floats are summed in fp32 and rounded once, at the end.
    const auto n = static_cast<long double>(x.size());
    const long double step = std::is_same_v<T, double> ? 0x1p-52L : 0x1p-23L, last = kEpsilon<T>;
    if (op == lhProd) return std::fabs(value_of(got) - product) <= n * last * std::fabs(product);
    const long double divisor = op == lhAvg ? n : 1;
    const long double rounding = last / 2 * std::fabs(sum) * 1.01L;
    return std::fabs(value_of(got) - sum / divisor) <= (rounding + n * step * sizes) / divisor;
  }
}

/// Number of elements of `got` that are not the reduction of the inputs' elements from `offset` on.
inline std::size_t count_wrong(lhDataType_t type, lhRedOp_t op, const std::byte* got, std::size_t count,
                               const std::vector<Buffer>& inputs, std::size_t offset = 0) {
  return with_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    std::vector<T> x(inputs.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < count; ++i) {
      for (std::size_t r = 0; r < inputs.size(); ++r) x[r] = load<T>(inputs[r].data(), offset + i);
      if (!is_reduction(load<T>(got, i), x, op)) ++wrong;
    }
    return wrong;
  });
}

}  // namespace longhaul::testing
