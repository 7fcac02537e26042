// SPDX-License-Identifier: Apache-2.0
// Codec i8 on a GPU: 8 bytes of codes a lane, a block in 16 lanes. Format: docs/codecs.md; how such code is written:
// kernels/cuda/warp.h.
#pragma once

#include "kernels/codecs/i8/arithmetic.h"
#include "kernels/cuda/octets.h"

namespace longhaul::kernels::gpu {

struct I8Warp {
  static constexpr Bits32 kBlock = 128;
  static constexpr Bits32 kBlockLanes = kBlock / Octet::kSize;
  using Scale = Bits16;
  static constexpr Bits64 kScalesAt = 0;

  template <typename W, bool kFeedback>
  static LH_WARP void encode(const W& warp, const EncodeJob& job, Bits64 group, const typename W::template Lanes<Octet>& x,
                             typename W::template Lanes<Octet>& decoded) {
    typename W::template Lanes<Bits32> largest;
    warp.each([&](Bits32 lane) { largest[lane] = largest_of(x[lane]); });
    spread_largest(warp, largest, kBlockLanes);
    warp.each([&](Bits32 lane) {
      const Bits64 begin = (group * kLanes + lane) * Octet::kSize;
      if (begin >= job.coded) return;
      if (largest[lane] >= kInfBits) W::template store<Bits32>(job.refused, 1u);
      const Scale scale = i8_scale(largest[lane]);
      const float inverse = i8_inverse(scale);
      Values<Bits32, 2> codes = {};
      LH_UNROLL
      for (Bits32 i = 0; i < 8; ++i) codes[i / 4] |= static_cast<Bits32>(static_cast<Bits8>(i8_code(x[lane][i], inverse))) << i % 4 * 8;
      W::template store<Values<Bits32, 2>>(job.blob + job.codes_at + begin, codes);
      if (lane % kBlockLanes == 0) W::template store<Scale>(job.blob + begin / kBlock * sizeof(Scale), scale);
      if constexpr (kFeedback) decoded[lane] = values(codes, scale);
    });
  }

  template <typename W>
  static LH_WARP Octet decode(const Bits8* blob, Bits64 codes_at, Bits64 begin) {
    const auto codes = W::template load<Values<Bits32, 2>>(blob + codes_at + begin);
    return values(codes, W::template load<Scale>(blob + begin / kBlock * sizeof(Scale)));
  }

 private:
  static LH_WARP Octet values(const Values<Bits32, 2>& codes, Scale scale) {
    Octet x;
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i) x[i] = i8_value(static_cast<signed char>(codes[i / 4] >> i % 4 * 8), scale);
    return x;
  }
};

}  // namespace longhaul::kernels::gpu
