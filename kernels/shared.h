// SPDX-License-Identifier: Apache-2.0
// What host and device code share: arithmetic marked LH_SHARED compiles for both, so that CUDA kernels run the functions that the
// CPU tests have proven. Self-contained (no standard library).
#pragma once

#if defined(__CUDACC__)
#define LH_SHARED __host__ __device__ __forceinline__
#else
#define LH_SHARED __attribute__((always_inline)) inline
#endif

namespace longhaul::kernels {

using Bits8 = unsigned char;
using Bits16 = unsigned short;
using Bits32 = unsigned int;
using Bits64 = unsigned long long;
static_assert(sizeof(Bits8) == 1 && sizeof(Bits16) == 2 && sizeof(Bits32) == 4 && sizeof(Bits64) == 8);

constexpr Bits32 kSignBit = 0x80000000u;
constexpr Bits32 kInfBits = 0x7f800000u;
constexpr Bits32 kQuietNan = 0x7fc00000u;

LH_SHARED Bits32 bits_of(float value) {
  Bits32 bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  return bits;
}

LH_SHARED float float_of(Bits32 bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

/// |value| as an integer: integers of floats without sign compare as the floats do, with Inf and then NaN above all.
LH_SHARED Bits32 magnitude_of(float value) { return bits_of(value) & ~kSignBit; }

/// To the nearest whole number, ties to even.
LH_SHARED float rounded(float value) {
#if defined(__CUDA_ARCH__)
  return rintf(value);
#else
  return __builtin_rintf(value);
#endif
}

LH_SHARED float square_root(float value) {
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(value);
#else
  return __builtin_sqrtf(value);
#endif
}

/// Replaces any NaN by the one positive quiet NaN: which payload an addition of two NaNs keeps, and the sign of Inf - Inf, depend
/// on the machine and on how the compiler ordered the operands.
LH_SHARED float canonical(float value) { return value != value ? float_of(kQuietNan) : value; }
LH_SHARED double canonical(double value) { return value != value ? static_cast<double>(float_of(kQuietNan)) : value; }

}  // namespace longhaul::kernels
