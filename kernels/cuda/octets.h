// SPDX-License-Identifier: Apache-2.0
// Eight values that follow each other, what a lane of the plain codecs reads, encodes, decodes and writes at once: by accesses of 16
// bytes where all eight exist and the buffer is aligned, one by one elsewhere.
#pragma once

#include "kernels/cuda/jobs.h"

namespace longhaul::kernels::gpu {

using Octet = Values<float, 8>;
using Quad = Values<Bits32, 4>;  ///< 16 bytes

template <typename T, typename W>
LH_WARP Octet wide_octet(const typename T::Stored* from) {
  Octet x;
  if constexpr (sizeof(typename T::Stored) == 4) {
    const Quad low = W::template load<Quad>(from), high = W::template load<Quad>(from + 4);
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i) x[i] = T::widened(i < 4 ? low[i] : high[i - 4]);
  } else {
    const Quad pairs = W::template load<Quad>(from);
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i) x[i] = T::widened(static_cast<Bits16>(pairs[i / 2] >> i % 2 * 16));
  }
  return x;
}

template <typename T, typename W>
LH_WARP void put_wide_octet(typename T::Stored* to, const Octet& x) {
  constexpr Bits32 kEach = 4 / sizeof(typename T::Stored);  // values in 32 bits
  LH_UNROLL
  for (Bits32 quad = 0; quad < 2 / kEach; ++quad) {
    Quad out;
    LH_UNROLL
    for (Bits32 i = 0; i < 4; ++i) {
      const Bits32 at = (quad * 4 + i) * kEach;
      out[i] = T::narrowed(x[at]);
      if constexpr (kEach == 2) out[i] |= static_cast<Bits32>(T::narrowed(x[at + 1])) << 16;
    }
    W::template store<Quad>(to + quad * 4 * kEach, out);
  }
}

/// Values `begin` and following as they are encoded; 0 beyond the last.
template <typename W, typename T, bool kFeedback>
LH_WARP Octet octet_at(const EncodeJob& job, Bits64 begin) {
  Octet x = {};
  if (job.aligned && begin + Octet::kSize <= job.count) {
    x = wide_octet<T, W>(static_cast<const typename T::Stored*>(job.values) + begin);
    if constexpr (kFeedback) {
      const Quad pairs = W::template load<Quad>(job.residual + begin);
      LH_UNROLL
      for (Bits32 i = 0; i < 8; ++i) x[i] = with_residual(x[i], static_cast<Bits16>(pairs[i / 2] >> i % 2 * 16));
    }
  } else {
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i)
      if (begin + i < job.count) x[i] = value_at<W, T, kFeedback>(job, begin + i);
  }
  return x;
}

/// What was lost of them, for the next time.
template <typename W>
LH_WARP void keep_octet(const EncodeJob& job, Bits64 begin, const Octet& x, const Octet& decoded) {
  LH_UNROLL
  for (Bits32 i = 0; i < 8; ++i)
    if (begin + i < job.count) W::template store<Bits16>(job.next_residual + begin + i, residual_of(x[i], decoded[i]));
}

/// Values `begin` and following of the result.
template <typename W, typename T>
LH_WARP void put_octet(const CombineJob& job, Bits64 begin, Octet sum) {
  auto* out = static_cast<typename T::Stored*>(job.result) + begin;
  LH_UNROLL
  for (Bits32 i = 0; i < 8; ++i) sum[i] = divided(sum[i], job.divisor);
  if (job.aligned && begin + Octet::kSize <= job.count) {
    put_wide_octet<T, W>(out, sum);
  } else {
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i)
      if (begin + i < job.count) W::template store<typename T::Stored>(out + i, T::narrowed(sum[i]));
  }
}

LH_WARP Bits32 largest_of(const Octet& x) {
  Bits32 largest = 0;
  LH_UNROLL
  for (Bits32 i = 0; i < 8; ++i) largest = larger(largest, magnitude_of(x[i]));
  return largest;
}

}  // namespace longhaul::kernels::gpu
