// SPDX-License-Identifier: Apache-2.0
// Codec i8: scale, code and value, for host and device. Format: docs/codecs.md.
#pragma once

#include "kernels/float16.h"

namespace longhaul::kernels {

/// A block whose largest magnitude is below this is sent as zero: scales and products stay clear of denormals.
constexpr Bits32 kI8Smallest = 0x08800000u;  // 2^-110

/// Scale (bf16) of a block whose largest magnitude has these bits: 1/127 of it, rounded up so that no code exceeds 127.
LH_SHARED Bits16 i8_scale(Bits32 largest) { return largest < kI8Smallest ? Bits16{0} : float_to_bf16_up(float_of(largest) * 0x1.020408p-7f); }

/// What values are multiplied by; 0 makes every code of a block without scale 0.
LH_SHARED float i8_inverse(Bits16 scale) { return scale == 0 ? 0.0f : 1.0f / bf16_to_float(scale); }

LH_SHARED signed char i8_code(float value, float inverse) {
  const float code = rounded(value * inverse);
  return static_cast<signed char>(code > 127.0f ? 127.0f : code < -127.0f ? -127.0f : code);
}

/// 7 x 8 bits: exact.
LH_SHARED float i8_value(signed char code, Bits16 scale) { return canonical(static_cast<float>(code) * bf16_to_float(scale)); }

}  // namespace longhaul::kernels
