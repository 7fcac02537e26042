// SPDX-License-Identifier: Apache-2.0
// Codec f4: exponent, scale, code and value, for host and device. Format: docs/codecs.md.
#pragma once

#include "kernels/shared.h"

namespace longhaul::kernels {

constexpr Bits32 kF4Smallest = 0x08800000u;  ///< 2^-110: a block below it is sent as zero
constexpr Bits32 kF4Limit = 0x76800000u;     ///< 2^110: from here on sums could overflow, so such values are refused

/// Biased exponent of the smallest power of two with which the largest scale (448) reaches the largest magnitude; 0: all is zero.
LH_SHARED Bits8 f4_exponent(Bits32 largest) {
  const Bits32 beyond = (largest & 0x007fffffu) > 0x00280000u ? 1u : 0u;  // 6 * 448 = 2^11 * 1.3125
  return static_cast<Bits8>(largest < kF4Smallest ? 0u : (largest >> 23) - 11u + beyond);
}

/// 2^k and 2^-k of an exponent byte. Of bytes that no encoder writes, 0 and 255 give 0 and Inf.
LH_SHARED float f4_unit(Bits8 exponent) { return float_of(static_cast<Bits32>(exponent) << 23); }
LH_SHARED float f4_inverse_unit(Bits8 exponent) { return float_of(static_cast<Bits32>(254 - exponent) << 23); }

/// E4M3 of a block whose largest magnitude has these bits: a sixth of it, rounded up, so that no code exceeds 6.
LH_SHARED Bits8 f4_scale(Bits32 largest, float inverse_unit) {
  if (largest < kF4Smallest) return 0;
  const float sixth = float_of(largest) * inverse_unit * 0x1.555556p-3f;
  const Bits32 normal = ((bits_of(sixth) + 0x000fffffu) >> 20) - (120u << 3);  // exponent bias 127 -> 7
  if (sixth > 0x1p-6f) return static_cast<Bits8>(normal);
  const float steps = sixth * 0x1p9f;  // denormal: multiples of 2^-9, and at least one
  const Bits32 below = static_cast<Bits32>(steps);
  return static_cast<Bits8>(below + (static_cast<float>(below) < steps || below == 0 ? 1u : 0u));
}

/// The scale in units of the values. Any byte is one: the eighth bit counts as an exponent bit.
LH_SHARED float f4_step(Bits8 scale, float unit) {
  const float normal = float_of((static_cast<Bits32>(scale) + (120u << 3)) << 20);
  return (scale < 8 ? static_cast<float>(scale) * 0x1p-9f : normal) * unit;
}

/// What values are multiplied by; 0 makes every code of a block without scale 0.
LH_SHARED float f4_inverse(float step) { return step == 0.0f ? 0.0f : 1.0f / step; }

/// Nearest of 0 .5 1 1.5 2 3 4 6 to |value * inverse|, ties to the even code; bit 3 is the sign.
LH_SHARED Bits8 f4_code(float value, float inverse) {
  const float y = float_of(magnitude_of(value * inverse));
  const float halves = rounded(y * 2.0f), wholes = rounded(y) + 2.0f, doubles = rounded(y * 0.5f) + 4.0f;
  const float code = y < 2.0f ? halves : y < 4.0f ? wholes : doubles;
  return static_cast<Bits8>(static_cast<Bits32>(code > 7.0f ? 7.0f : code) | bits_of(value) >> 31 << 3);
}

/// 2 x 4 bits and a power of two: exact.
LH_SHARED float f4_value(Bits8 code, float step) {
  const Bits32 low = code & 7u;
  const float level = low < 2 ? static_cast<float>(low) * 0.5f : float_of((low << 22) + (126u << 23));
  return canonical(float_of(bits_of(level * step) ^ static_cast<Bits32>(code & 8u) << 28));
}

}  // namespace longhaul::kernels
