// SPDX-License-Identifier: Apache-2.0
// What the kernel and codec tests share: guarded and misaligned memory, bit casts, hostile floats, and an independent
// definition of rounding to 16-bit floats that works in double and shares nothing with kernels/float16.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/random.h"

namespace longhaul::test {

/// `size` bytes at an address = `offset` (mod 64), with 64 known bytes on both sides.
class Guarded {
 public:
  explicit Guarded(std::size_t size, std::size_t offset = 0) : size_(size), memory_(size + 256, kGuard) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    begin_ = 64 + (64 - address % 64) % 64 + offset % 64;
  }
  std::byte* data() { return memory_.data() + begin_; }
  float* floats() { return reinterpret_cast<float*>(data()); }
  std::size_t size() const { return size_; }
  std::vector<std::byte> copy() { return {data(), data() + size_}; }
  template <typename T>
  void fill(const std::vector<T>& values) {
    if (!values.empty()) std::memcpy(data(), values.data(), std::min(size_, values.size() * sizeof(T)));
  }
  template <typename T>
  T at(std::size_t index) {
    T value;
    std::memcpy(&value, data() + index * sizeof(T), sizeof(T));
    return value;
  }
  bool intact() const {
    const auto good = [](std::byte b) { return b == kGuard; };
    const auto end = begin_ + size_;
    return std::all_of(memory_.begin(), memory_.begin() + static_cast<std::ptrdiff_t>(begin_), good) &&
           std::all_of(memory_.begin() + static_cast<std::ptrdiff_t>(end), memory_.end(), good);
  }

 private:
  static constexpr std::byte kGuard{0xa7};
  std::size_t size_;
  std::vector<std::byte> memory_;
  std::size_t begin_ = 0;
};

/// Shape of a 16-bit float: bits of the mantissa and exponent of the smallest normal number.
struct Shape {
  int mantissa;
  int smallest;
};
constexpr Shape kFp16{10, -14};
constexpr Shape kBf16{7, -126};

inline std::uint16_t inf_of(Shape shape) { return static_cast<std::uint16_t>(0x7fff & ~((1 << shape.mantissa) - 1)); }

/// Rounds to nearest even by the definition. NaN gives sign, quiet bit and the upper payload bits.
inline std::uint16_t naive_narrow(float x, Shape shape) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const auto sign = static_cast<std::uint16_t>(bits >> 16 & 0x8000);
  const std::uint32_t inf = inf_of(shape);
  if (std::isnan(x)) {
    const auto payload = (bits & 0x7fffff) >> (23 - shape.mantissa);
    return static_cast<std::uint16_t>(sign | inf | payload | 1u << (shape.mantissa - 1));
  }
  if (std::isinf(x)) return static_cast<std::uint16_t>(sign | inf);
  if (x == 0) return sign;
  const double magnitude = std::fabs(static_cast<double>(x));
  const int exponent = std::max(std::ilogb(magnitude), shape.smallest);
  const auto rounded = std::lrint(std::ldexp(magnitude, shape.mantissa - exponent));
  const long code = (static_cast<long>(exponent - shape.smallest) << shape.mantissa) + rounded;
  return static_cast<std::uint16_t>(sign | std::min<long>(code, static_cast<long>(inf)));
}

/// The exact value of a 16-bit float; NaN for all NaNs.
inline double naive_widen(std::uint16_t half, Shape shape) {
  const int magnitude = half & 0x7fff;
  const int inf = inf_of(shape);
  double value = 0;
  if (magnitude > inf) {
    value = std::nan("");
  } else if (magnitude == inf) {
    value = HUGE_VAL;
  } else {
    const int field = magnitude >> shape.mantissa;
    const int fraction = magnitude & ((1 << shape.mantissa) - 1);
    const int significand = field == 0 ? fraction : fraction + (1 << shape.mantissa);
    value = std::ldexp(significand, (field == 0 ? 0 : field - 1) + shape.smallest - shape.mantissa);
  }
  return (half & 0x8000) != 0 ? -value : value;
}

inline double gauss(Random& random) {
  return std::sqrt(-2 * std::log(1 - random.uniform())) * std::cos(6.283185307179586 * random.uniform());
}

/// Kinds of blocks the codecs must get right. From kHostileFrom on they may hold NaN or Inf.
constexpr std::uint64_t kKinds = 11;
constexpr std::uint64_t kHostileFrom = 9;

inline float sample(Random& random, std::uint64_t kind) {
  const auto bits = static_cast<std::uint32_t>(random.next());
  switch (kind) {
    case 0:
      return static_cast<float>(gauss(random));
    case 1:
      return static_cast<float>(gauss(random) * std::exp(4 * gauss(random)));
    case 2:  // denormals
      return std::bit_cast<float>(bits & 0x807fffff);
    case 3:  // around the smallest block that is not sent as zero
      return std::bit_cast<float>((bits & 0x80ffffff) + 0x08000000);
    case 4:  // near the largest fp32
      return std::bit_cast<float>((bits & 0x80ffffff) | 0x7e000000);
    case 5:  // zeros of both signs with a rare value
      return random.below(40) == 0 ? static_cast<float>(gauss(random)) : std::bit_cast<float>(bits & 0x80000000);
    case 6:  // multiples of half a step: ties of the rounding
      return static_cast<float>(static_cast<int>(random.below(509)) - 254) * 0.5f;
    case 7: {  // any finite bits
      const float any = std::bit_cast<float>(bits);
      return std::isfinite(any) ? any : 1.0f;
    }
    case 8:  // bf16 values
      return std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>(gauss(random))) & 0xffff0000);
    case 9:  // one in 500 not finite
      return random.below(500) == 0 ? std::bit_cast<float>(bits | 0x7f800000) : static_cast<float>(gauss(random));
    default:
      return std::bit_cast<float>(bits);
  }
}

/// Whether a codec may refuse such blocks: numbers beyond 2^110, which the 4- and 2-bit codecs do not carry, or what is not finite.
constexpr bool may_be_refused(std::uint64_t kind) { return kind == 4 || kind == 7 || kind >= kHostileFrom; }

inline std::vector<float> samples(Random& random, std::uint64_t kind, std::size_t count) {
  std::vector<float> values(count);
  for (float& value : values) value = sample(random, kind);
  return values;
}

}  // namespace longhaul::test
