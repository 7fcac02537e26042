// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/data.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15u;

// SplitMix64's finaliser.
std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// One bit below the significand of the type leaves every multiple of 2^-bits in [-1, 1) exact.
int fraction_bits(lhDataType_t type) {
  if (type == lhBfloat16) return 7;
  if (type == lhFloat16) return 10;
  return type == lhFloat32 ? 23 : 52;
}

// Largest value of an integer type.
std::uint64_t max_of(lhDataType_t type) {
  const int bits = static_cast<int>(type_size(type)) * 8;
  const bool is_signed = type == lhInt8 || type == lhInt32 || type == lhInt64;
  return std::numeric_limits<std::uint64_t>::max() >> (64 - bits + (is_signed ? 1 : 0));
}

float half_to_float(std::uint16_t half) {
  const int exponent = half >> 10 & 31;
  const int fraction = half & 1023;
  float magnitude = std::ldexp(static_cast<float>(fraction | 1024), exponent - 25);
  if (exponent == 0) magnitude = std::ldexp(static_cast<float>(fraction), -24);
  if (exponent == 31) {
    magnitude = fraction ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
  }
  return half >> 15 ? -magnitude : magnitude;
}

// For normal values that need no rounding, and zero.
std::uint16_t exact_float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  if ((bits & 0x7fffffffu) == 0) return static_cast<std::uint16_t>(sign);
  return static_cast<std::uint16_t>(sign | ((bits >> 13 & 0x3ffffu) - ((127u - 15u) << 10)));
}

template <typename T>
T load(const std::byte* data, std::uint64_t index) {
  T value;
  std::memcpy(&value, data + index * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void store(std::byte* data, std::uint64_t index, T value) {
  std::memcpy(data + index * sizeof(T), &value, sizeof(T));
}

}  // namespace

std::uint64_t input_seed(const Problem& problem, int rank) {
  return mix(problem.iteration * 0x10001u + static_cast<std::uint64_t>(rank) * kGolden + 1);
}

double float_input(const Problem& problem, std::uint64_t seed, std::uint64_t index) {
  const std::uint64_t random = mix(seed + index * kGolden);
  const int bits = fraction_bits(problem.type);
  const auto steps = static_cast<std::int64_t>(random >> (63 - bits)) - (std::int64_t{1} << bits);
  double uniform = std::ldexp(static_cast<double>(steps), -bits);
  // Mixed magnitudes: otherwise sums of two 16-bit values are exact, and a sum kept in 16 bits looks like one kept in
  // fp32.
  if (type_size(problem.type) == 2) uniform = std::ldexp(uniform, -static_cast<int>(random & 3));
  if (problem.op != lhProd) return uniform;
  // Products of many ranks must neither overflow nor vanish in fp16.
  if (type_size(problem.type) == 2) return 1 + (static_cast<double>(random % 9) - 4) / 128;
  const double near_one = 1 + uniform / 32;
  return problem.type == lhFloat32 ? static_cast<double>(static_cast<float>(near_one)) : near_one;
}

std::uint64_t integer_input(const Problem& problem, std::uint64_t seed, std::uint64_t index) {
  const std::uint64_t random = mix(seed + index * kGolden);
  if (problem.op == lhProd) return random | 1;  // odd: the product never collapses to 0
  if (problem.op != lhAvg) return random;
  const std::uint64_t largest = max_of(problem.type) / static_cast<std::uint64_t>(problem.ranks());
  const bool is_signed = problem.type == lhInt8 || problem.type == lhInt32 || problem.type == lhInt64;
  return is_signed ? random % (2 * largest + 1) - largest : (random >> 1) % (largest + 1);
}

double load_float(lhDataType_t type, const std::byte* data, std::uint64_t index) {
  if (type == lhFloat64) return load<double>(data, index);
  if (type == lhFloat32) return static_cast<double>(load<float>(data, index));
  const auto bits = load<std::uint16_t>(data, index);
  if (type == lhFloat16) return static_cast<double>(half_to_float(bits));
  return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16));
}

void store_float(lhDataType_t type, std::byte* data, std::uint64_t index, double value) {
  const auto narrow = static_cast<float>(value);
  if (type == lhFloat64) return store(data, index, value);
  if (type == lhFloat32) return store(data, index, narrow);
  if (type == lhFloat16) return store(data, index, exact_float_to_half(narrow));
  store(data, index, static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(narrow) >> 16));
}

void fill(const Problem& problem, int rank, std::span<std::byte> out) {
  const std::uint64_t size = type_size(problem.type);
  const std::uint64_t count = out.size() / size;
  const std::uint64_t seed = input_seed(problem, rank);
  for (std::uint64_t i = 0; i < count; ++i) {
    if (is_float(problem.type)) {
      store_float(problem.type, out.data(), i, float_input(problem, seed, i));
    } else {
      const std::uint64_t value = integer_input(problem, seed, i);
      std::memcpy(out.data() + i * size, &value, size);  // little endian: the low bytes
    }
  }
}

std::uint64_t digest(std::span<const std::byte> bytes) {
  std::uint64_t hash = mix(bytes.size() + kGolden);
  std::size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    hash = (hash ^ load<std::uint64_t>(bytes.data() + at, 0)) * kGolden;
    hash ^= hash >> 32;
  }
  for (; at < bytes.size(); ++at) hash = (hash ^ static_cast<std::uint64_t>(bytes[at])) * kGolden;
  return mix(hash);
}

}  // namespace longhaul::perf
