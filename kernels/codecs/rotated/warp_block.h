// SPDX-License-Identifier: Apache-2.0
// One block of r4 or r2 by one warp: encoded, and the sum of all sites' blocks. The steps are in kernels/codecs/rotated/warp.h.
#pragma once

#include "kernels/codecs/rotated/warp.h"

namespace longhaul::kernels::gpu {

/// Levels, and the scale of the block. `w` is rotated.
template <typename W, typename R>
LH_WARP Bits16 quantise(const W& warp, const typename W::template Lanes<BlockPart<R>>& w, Bits32 exponent,
                        typename W::template Lanes<Codes<R>>& codes) {
  typename W::template Lanes<float> squares, products;
  warp.each([&](Bits32 lane) {
    squares[lane] = 0;
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) squares[lane] += twelve_bits(w[lane][i]) * twelve_bits(w[lane][i]);
  });
  const float energy = summed(warp, squares), inverse = rotated_inverse<R>(energy);
  warp.each([&](Bits32 lane) {
    codes[lane] = {};
    products[lane] = 0;
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) {
      const float m = twelve_bits(w[lane][i]);
      const Bits32 level = level_below<R>(m * inverse);
      products[lane] += m * level_of<R>(level);
      codes[lane][i * R::kBits / 32] |= (level | bits_of(w[lane][i]) >> 31 << (R::kBits - 1)) << i * R::kBits % 32;
    }
  });
  return rotated_scale<R>(energy, summed(warp, products), exponent);
}

template <typename W, typename R>
LH_WARP void put_codes(const W& warp, const EncodeJob& job, Bits64 block, Bits16 scale, typename W::template Lanes<Codes<R>> codes) {
  transpose<W, R>(warp, codes);
  warp.each([&](Bits32 lane) {
    Bits8* out = job.blob + job.codes_at + block * (R::kBlock * R::kBits / 8);
    LH_UNROLL
    for (Bits32 i = 0; i < Codes<R>::kSize; ++i) W::template store<Bits32>(out + 4 * word_of<R>(lane, i), codes[lane][i]);
    if (lane == 0) W::template store<Bits16>(job.blob + 2 * block, scale);
    if (block == 0)  // behind the last scale there may be room up to the codes
      for (Bits64 i = job.scales + lane; 2 * i < job.codes_at; i += kLanes) W::template store<Bits16>(job.blob + 2 * i, Bits16{0});
  });
}

/// As it will be decoded, and what was lost.
template <typename W, typename R>
LH_WARP void keep_block(const W& warp, const EncodeJob& job, Bits64 block, const typename W::template Lanes<Bits32>& signs, Bits16 scale,
                        const typename W::template Lanes<Codes<R>>& codes, const typename W::template Lanes<BlockPart<R>>& x) {
  typename W::template Lanes<BlockPart<R>> w;
  warp.each([&](Bits32 lane) {
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) w[lane][i] = rotated_value<R>(codes[lane], i, rotated_step(scale));
  });
  rotate_back<W, R>(warp, signs, w);
  warp.each([&](Bits32 lane) {
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) {
      const Bits64 at = block * R::kBlock + i * kLanes + lane;
      if (at < job.count) W::template store<Bits16>(job.next_residual + at, residual_of(x[lane][i], w[lane][i]));
    }
  });
}

template <typename W, typename R, typename T, bool kFeedback>
LH_WARP void encode_block(const W& warp, const EncodeJob& job, Bits64 block, const typename W::template Lanes<Bits32>& signs) {
  typename W::template Lanes<BlockPart<R>> x;
  typename W::template Lanes<Bits32> magnitude;
  warp.each([&](Bits32 lane) {
    magnitude[lane] = 0;
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) {
      const Bits64 at = block * R::kBlock + i * kLanes + lane;
      x[lane][i] = at < job.count ? value_at<W, T, kFeedback>(job, at) : 0.0f;
      magnitude[lane] = larger(magnitude[lane], magnitude_of(x[lane][i]));
    }
  });
  const Bits32 largest = warp.max(magnitude);
  if (largest >= kRotatedLimit) {
    warp.each([&](Bits32 lane) {
      if (lane == 0) W::template store<Bits32>(job.refused, 1u);
    });
    return;
  }
  typename W::template Lanes<Codes<R>> codes = {};
  Bits16 scale = 0;
  if (largest >= kRotatedSmallest) {
    auto w = x;
    warp.each([&](Bits32 lane) {
      LH_UNROLL
      for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) w[lane][i] = negated(scaled_down(w[lane][i], largest >> 23), signs[lane], i);
    });
    rotate<W, R>(warp, w);
    scale = quantise<W, R>(warp, w, largest >> 23, codes);
  }
  put_codes<W, R>(warp, job, block, scale, codes);
  if constexpr (kFeedback) keep_block<W, R>(warp, job, block, signs, scale, codes, x);
}

/// Adds up what the sites sent of a block: rotated, or as bf16.
template <typename W, typename R, bool kRotated>
LH_WARP void add_sites(const W& warp, const CombineJob& job, Bits64 block, bool& first, typename W::template Lanes<BlockPart<R>>& sum) {
  for (int site = 0; site < job.sites; ++site) {
    const Source source = job.sources[site];
    if (source.fell_back == kRotated) continue;
    if constexpr (kRotated) {
      typename W::template Lanes<Codes<R>> codes;
      warp.each([&](Bits32 lane) {
        const Bits8* in = source.blob + job.codes_at + block * (R::kBlock * R::kBits / 8);
        LH_UNROLL
        for (Bits32 i = 0; i < Codes<R>::kSize; ++i) codes[lane][i] = W::template load<Bits32>(in + 4 * word_of<R>(lane, i));
      });
      transpose<W, R>(warp, codes);
      const float step = rotated_step(W::template load<Bits16>(source.blob + 2 * block));
      warp.each([&](Bits32 lane) {
        LH_UNROLL
        for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) sum[lane][i] = added(first, sum[lane][i], rotated_value<R>(codes[lane], i, step));
      });
    } else {
      warp.each([&](Bits32 lane) {
        LH_UNROLL
        for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) {
          const Bits64 at = block * R::kBlock + i * kLanes + lane;
          if (at < job.count) sum[lane][i] = added(first, sum[lane][i], bf16_to_float(W::template load<Bits16>(source.blob + 2 * at)));
        }
      });
    }
    first = false;
  }
}

template <typename W, typename R, typename T>
LH_WARP void combine_block(const W& warp, const CombineJob& job, Bits64 block, const typename W::template Lanes<Bits32>& signs) {
  typename W::template Lanes<BlockPart<R>> sum = {};
  bool first = true;
  add_sites<W, R, true>(warp, job, block, first, sum);
  if (!first) rotate_back<W, R>(warp, signs, sum);
  add_sites<W, R, false>(warp, job, block, first, sum);
  warp.each([&](Bits32 lane) {
    using Stored = typename T::Stored;
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i) {
      const Bits64 at = block * R::kBlock + i * kLanes + lane;
      if (at < job.count) W::template store<Stored>(static_cast<Stored*>(job.result) + at, T::narrowed(divided(sum[lane][i], job.divisor)));
    }
  });
}

}  // namespace longhaul::kernels::gpu
