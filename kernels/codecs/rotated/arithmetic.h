// SPDX-License-Identifier: Apache-2.0
// What r4 and r2 share, for host and device: blocks are rotated (random signs, then Walsh-Hadamard), which makes any block look
// Gaussian, and rotated values are rounded to the levels of a Gaussian codebook times one bf16 scale a block. Format: docs/codecs.md.
//
// Why results depend on no compiler: numbers that are multiplied have at most 12 and 12 significant bits, so every product is
// exact and may be fused with the addition behind it; a block is first divided by a power of two, by arithmetic on exponents.
#pragma once

#include "kernels/codecs/rotated/philox.h"
#include "kernels/float16.h"

namespace longhaul::kernels {

constexpr Bits32 kRotatedSmallest = 0x08800000u;  ///< 2^-110: a block below it is sent as zero
constexpr Bits32 kRotatedLimit = 0x76800000u;     ///< 2^110: from here on sums could overflow, so such values are refused
constexpr Bits32 kSumLanes = 32;                  ///< a block's sums: 32 strided ones, then halves onto halves

/// r4: 4 bits a value. Levels: Lloyd-Max for a normal distribution, rounded to 8 significant bits; thresholds in the middle.
struct R4 {
  static constexpr Bits32 kBlock = 256;
  static constexpr Bits32 kBits = 4;
  static constexpr Bits32 kHalfLog = 4;  ///< H / 2^4 is orthonormal
  static constexpr int kLevels = 8;
  static constexpr float kLevel[kLevels] = {0x1.06p-3f, 0x1.8ep-2f, 0x1.5p-1f, 0x1.e2p-1f, 0x1.42p0f, 0x1.9ep0f, 0x1.08p1f, 0x1.5ep1f};
  static constexpr float kThreshold[kLevels - 1] = {0x1.088p-2f, 0x1.0b8p-1f, 0x1.99p-1f, 0x1.198p0f, 0x1.7p0f, 0x1.d7p0f, 0x1.33p1f};
};

/// r2: 2 bits a value.
struct R2 {
  static constexpr Bits32 kBlock = 1024;
  static constexpr Bits32 kBits = 2;
  static constexpr Bits32 kHalfLog = 5;
  static constexpr int kLevels = 2;
  static constexpr float kLevel[kLevels] = {0x1.dp-2f, 0x1.82p0f};
  static constexpr float kThreshold[kLevels - 1] = {0x1.f6p-1f};
};

/// 128 signs, one a bit: those of values 128 * quarter and following of every block.
LH_SHARED Philox rotation_signs(Bits64 key, Bits64 operation, Bits32 chunk, Bits32 quarter) {
  const Philox counter{{quarter, chunk, static_cast<Bits32>(operation), static_cast<Bits32>(operation >> 32)}};
  return philox(counter, static_cast<Bits32>(key), static_cast<Bits32>(key >> 32));
}

/// value / 2^(exponent - 127) for a value of the block whose largest magnitude has that biased exponent; what would be denormal is 0.
LH_SHARED float scaled_down(float value, Bits32 exponent) {
  const Bits32 smallest = exponent > 127u ? (exponent - 126u) << 23 : 0x00800000u;
  return magnitude_of(value) < smallest ? 0.0f : float_of(bits_of(value) + ((127u - exponent) << 23));
}

/// |value| rounded to 12 significant bits: squares and products with levels are exact. Below 2^-40, which adds nothing, 0.
LH_SHARED float twelve_bits(float value) {
  const Bits32 magnitude = (magnitude_of(value) + 0x800u) & 0xfffff000u;
  return magnitude < 0x2b800000u ? 0.0f : float_of(magnitude);
}

/// What magnitudes are multiplied by to have the standard deviation of the codebook, given the sum of their squares.
template <typename R>
LH_SHARED float rotated_inverse(float energy) {
  return static_cast<float>(1u << R::kHalfLog) / square_root(energy);
}

/// bf16 scale of a block: its energy over its product with the chosen levels, which makes the decoded block unbiased.
template <typename R>
LH_SHARED Bits16 rotated_scale(float energy, float product, Bits32 exponent) {
  return static_cast<Bits16>(float_to_bf16(energy / product) + ((exponent - 127u - R::kHalfLog) << 7));
}

/// Of any two bytes. Denormal scales, which no encoder writes, count as 0: products stay exact.
LH_SHARED float rotated_step(Bits16 scale) { return (scale & 0x7f80u) == 0 ? 0.0f : bf16_to_float(scale); }

}  // namespace longhaul::kernels
