// SPDX-License-Identifier: Apache-2.0
// Codec f4 on a GPU: 4 bytes of codes a lane, a block in 2 lanes. Encoding passes twice over the values, because the largest of all
// comes first: it goes through `work`. Format: docs/codecs.md; how such code is written: kernels/cuda/warp.h.
#pragma once

#include "kernels/codecs/f4/arithmetic.h"
#include "kernels/cuda/octets.h"

namespace longhaul::kernels::gpu {

struct F4Warp {
  static constexpr Bits32 kBlock = 16;
  static constexpr Bits32 kBlockLanes = kBlock / Octet::kSize;
  using Scale = Bits8;
  static constexpr Bits64 kScalesAt = 16;

  template <typename W, bool kFeedback>
  static LH_WARP void encode(const W& warp, const EncodeJob& job, Bits64 group, const typename W::template Lanes<Octet>& x,
                             typename W::template Lanes<Octet>& decoded) {
    const Bits32 most = *job.work;  // of all values
    const Bits8 exponent = f4_exponent(most);
    typename W::template Lanes<Bits32> largest;
    warp.each([&](Bits32 lane) { largest[lane] = largest_of(x[lane]); });
    spread_largest(warp, largest, kBlockLanes);
    warp.each([&](Bits32 lane) {
      const Bits64 begin = (group * kLanes + lane) * Octet::kSize;
      if (begin < kScalesAt / 4 * Octet::kSize) W::template store<Bits32>(job.blob + begin / Octet::kSize * 4, begin == 0 ? exponent : 0u);
      if (begin >= job.coded) return;
      if (most >= kF4Limit) W::template store<Bits32>(job.refused, 1u);
      const Scale scale = f4_scale(largest[lane], f4_inverse_unit(exponent));
      const float step = f4_step(scale, f4_unit(exponent)), inverse = f4_inverse(step);
      Bits32 codes = 0;
      LH_UNROLL
      for (Bits32 i = 0; i < 8; ++i) codes |= static_cast<Bits32>(f4_code(x[lane][i], inverse)) << 4 * i;
      if (scale == 0) codes = 0;
      W::template store<Bits32>(job.blob + job.codes_at + begin / 2, codes);
      if (begin / kBlock < job.scales && lane % kBlockLanes == 0) W::template store<Scale>(job.blob + kScalesAt + begin / kBlock, scale);
      if constexpr (kFeedback) decoded[lane] = values(codes, step);
    });
  }

  template <typename W>
  static LH_WARP Octet decode(const Bits8* blob, Bits64 codes_at, Bits64 begin) {
    const float step = f4_step(W::template load<Scale>(blob + kScalesAt + begin / kBlock), f4_unit(W::template load<Bits8>(blob)));
    return values(W::template load<Bits32>(blob + codes_at + begin / 2), step);
  }

 private:
  static LH_WARP Octet values(Bits32 codes, float step) {
    Octet x;
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i) x[i] = f4_value(static_cast<Bits8>(codes >> 4 * i & 15u), step);
    return x;
  }
};

/// Largest magnitude of a group, in all lanes the same.
template <typename W, typename T, bool kFeedback>
LH_WARP Bits32 f4_largest(const W& warp, const EncodeJob& job, Bits64 group) {
  typename W::template Lanes<Bits32> largest;
  warp.each([&](Bits32 lane) { largest[lane] = largest_of(octet_at<W, T, kFeedback>(job, (group * kLanes + lane) * Octet::kSize)); });
  return warp.max(largest);
}

}  // namespace longhaul::kernels::gpu
