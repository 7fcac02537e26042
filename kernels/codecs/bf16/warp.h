// SPDX-License-Identifier: Apache-2.0
// Codec bf16 on a GPU: 16 bytes of codes a lane. Format: docs/codecs.md; how such code is written: kernels/cuda/warp.h.
#pragma once

#include "kernels/cuda/octets.h"

namespace longhaul::kernels::gpu {

struct Bf16Warp {
  template <typename W, bool kFeedback>
  static LH_WARP void encode(const W& warp, const EncodeJob& job, Bits64 group, const typename W::template Lanes<Octet>& x,
                             typename W::template Lanes<Octet>& decoded) {
    warp.each([&](Bits32 lane) {
      const Bits64 begin = (group * kLanes + lane) * Octet::kSize;
      Quad codes;
      LH_UNROLL
      for (Bits32 i = 0; i < 4; ++i) codes[i] = pair(x[lane][2 * i], x[lane][2 * i + 1]);
      if (begin < job.coded) W::template store<Quad>(job.blob + 2 * begin, codes);
      if constexpr (kFeedback) LH_UNROLL for (Bits32 i = 0; i < 8; ++i) decoded[lane][i] = value(codes, i);
    });
  }

  template <typename W>
  static LH_WARP Octet decode(const Bits8* blob, Bits64, Bits64 begin) {
    const Quad codes = W::template load<Quad>(blob + 2 * begin);
    Octet x;
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i) x[i] = value(codes, i);
    return x;
  }

 private:
  static LH_WARP Bits32 pair(float low, float high) { return float_to_finite_bf16(low) | static_cast<Bits32>(float_to_finite_bf16(high)) << 16; }
  static LH_WARP float value(const Quad& codes, Bits32 i) { return bf16_to_float(static_cast<Bits16>(codes[i / 2] >> i % 2 * 16)); }
};

}  // namespace longhaul::kernels::gpu
