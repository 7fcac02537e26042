// SPDX-License-Identifier: Apache-2.0
// bf16 and fp16 to and from fp32, in integer arithmetic without branches, so loops over them vectorise and every
// machine agrees. Narrowing rounds to nearest even. NaN stays NaN, becomes quiet and keeps its sign; Inf stays Inf.
// Needs the default rounding mode and no flush-to-zero. For device code, too.
#pragma once

#include "kernels/shared.h"

namespace longhaul::kernels {

LH_SHARED float bf16_to_float(Bits16 half) {
  const Bits32 bits = static_cast<Bits32>(half) << 16;
  const Bits32 quiet = (bits & ~kSignBit) > kInfBits ? 0x00400000u : 0u;
  return float_of(bits | quiet);
}

LH_SHARED Bits16 float_to_bf16(float value) {
  const Bits32 bits = bits_of(value);
  const Bits32 rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const Bits32 nan = (bits >> 16) | 0x0040u;
  return static_cast<Bits16>((bits & ~kSignBit) > kInfBits ? nan : rounded);
}

/// As float_to_bf16, but a finite value stays finite: the largest bf16 instead of Inf.
LH_SHARED Bits16 float_to_finite_bf16(float value) {
  const Bits32 bits = bits_of(value);
  const Bits32 magnitude = bits & ~kSignBit;
  const Bits32 sign = bits & kSignBit;
  // Everything that would round up to Inf, and nothing else, lies between these two.
  const Bits32 limited = magnitude > 0x7f7f0000u && magnitude < kInfBits ? 0x7f7f0000u : magnitude;
  return float_to_bf16(float_of(sign | limited));
}

/// A positive finite value to the next bf16 that is not below it (Inf above the largest).
LH_SHARED Bits16 float_to_bf16_up(float positive) { return static_cast<Bits16>((bits_of(positive) + 0xffffu) >> 16); }

LH_SHARED float fp16_to_float(Bits16 half) {
  const Bits32 sign = static_cast<Bits32>(half & 0x8000u) << 16;
  const Bits32 shifted = static_cast<Bits32>(half & 0x7fffu) << 13;
  const Bits32 normal = shifted + 0x38000000u;  // exponent bias 15 -> 127
  // 2^-14 * (1 + m) - 2^-14 is exactly m * 2^-14: the subtraction normalises a denormal.
  const Bits32 denormal = bits_of(float_of(shifted + 0x38800000u) - float_of(0x38800000u));
  const Bits32 special = shifted + 0x70000000u;  // exponent 31 -> 255
  const Bits32 quiet = special > kInfBits ? 0x00400000u : 0u;
  const Bits32 finite = shifted < 0x00800000u ? denormal : normal;
  return float_of(sign | (shifted < 0x0f800000u ? finite : special | quiet));
}

LH_SHARED Bits16 float_to_fp16(float value) {
  const Bits32 bits = bits_of(value);
  const Bits32 magnitude = bits & ~kSignBit;
  const Bits32 normal = (magnitude - 0x38000000u + 0x0fffu + ((magnitude >> 13) & 1u)) >> 13;
  // Adding 0.5 puts the last bit of a denormal fp16 (2^-24) at the last place of the sum: the addition rounds to it.
  const Bits32 denormal = bits_of(float_of(magnitude) + 0.5f) - 0x3f000000u;
  const Bits32 finite = magnitude < 0x38800000u ? denormal : normal;  // below 2^-14
  const Bits32 nan = 0x7e00u | ((magnitude >> 13) & 0x03ffu);
  const Bits32 special = magnitude > kInfBits ? nan : 0x7c00u;
  return static_cast<Bits16>((bits >> 16 & 0x8000u) | (magnitude >= 0x47800000u ? special : finite));  // from 2^16: Inf
}

}  // namespace longhaul::kernels
