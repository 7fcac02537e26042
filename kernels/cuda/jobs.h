// SPDX-License-Identifier: Apache-2.0
// What a kernel is told, and how values of the three types are read and written.
#pragma once

#include "kernels/cuda/warp.h"
#include "kernels/feedback/arithmetic.h"

namespace longhaul::kernels::gpu {

struct Signs {  // as Rotation
  Bits64 key, operation;
  Bits32 chunk;
};

struct EncodeJob {
  const void* values;
  Bits64 count;
  Bits8* blob;
  Bits64 scales;    ///< blocks that have one
  Bits64 codes_at;  ///< in bytes; scales are padded with zeros up to it
  Bits64 coded;     ///< values that the codes are of, with the padding
  Bits64 size;      ///< of the blob; lossless: of the uncoded one
  Bits32* work;
  Bits32* refused;
  Bits64* bytes;
  const Bits32* only_if;
  const Bits16* residual;
  Bits16* next_residual;
  Signs rotation;
  bool aligned;  ///< values and residuals begin at multiples of 16 bytes
};

struct Source {
  const Bits8* blob;
  bool fell_back;
};

constexpr int kMostSources = 8;

struct CombineJob {
  Source sources[kMostSources];
  int sites;
  Bits64 count;
  Bits64 codes_at;
  float divisor;
  void* result;
  Signs rotation;
  bool aligned;  ///< the result begins at a multiple of 16 bytes
};

// Types of values: bytes in memory, and fp32.
struct Fp32 {
  using Stored = Bits32;
  static LH_SHARED float widened(Stored value) { return float_of(value); }
  static LH_SHARED Stored narrowed(float value) { return bits_of(value); }
};
struct Bf16 {
  using Stored = Bits16;
  static LH_SHARED float widened(Stored value) { return bf16_to_float(value); }
  static LH_SHARED Stored narrowed(float value) { return float_to_bf16(value); }
};
struct Fp16 {
  using Stored = Bits16;
  static LH_SHARED float widened(Stored value) { return fp16_to_float(value); }
  static LH_SHARED Stored narrowed(float value) { return float_to_fp16(value); }
};

/// Value i as it is encoded: with what was lost of it before.
template <typename W, typename T, bool kFeedback>
LH_WARP float value_at(const EncodeJob& job, Bits64 i) {
  using Stored = typename T::Stored;
  const float value = T::widened(W::template load<Stored>(static_cast<const Stored*>(job.values) + i));
  if constexpr (kFeedback) return with_residual(value, W::template load<Bits16>(job.residual + i));
  return value;
}

/// An average is divided once, at the end.
LH_WARP float divided(float sum, float divisor) { return divisor > 1.0f ? canonical(sum / divisor) : sum; }

LH_WARP float added(bool first, float sum, float value) { return first ? value : canonical(sum + value); }

}  // namespace longhaul::kernels::gpu
