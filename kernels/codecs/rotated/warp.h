// SPDX-License-Identifier: Apache-2.0
// Codecs r4 and r2 on a GPU: a block a warp, value i in lane i % 32. So the first five stages of the rotation are between lanes, the
// others inside, and the lanes of the specification's sums are the lanes of the warp. Format: docs/codecs.md; how such code is
// written: kernels/cuda/warp.h.
#pragma once

#include "kernels/codecs/rotated/arithmetic.h"
#include "kernels/cuda/jobs.h"

namespace longhaul::kernels::gpu {

template <typename R>
using BlockPart = Values<float, R::kBlock / kLanes>;  ///< what one lane has of a block
template <typename R>
using Codes = Values<Bits32, R::kBlock * R::kBits / 32 / kLanes>;  ///< the same as codes

/// Bit i of a lane: whether its value i is negated. The same for all blocks of a chunk.
template <typename W, typename R>
LH_WARP void signs_of(const W& warp, const Signs& rotation, typename W::template Lanes<Bits32>& signs) {
  warp.each([&](Bits32 lane) {
    signs[lane] = 0;
    for (Bits32 quarter = 0; quarter < R::kBlock / 128; ++quarter) {
      const Philox random = rotation_signs(rotation.key, rotation.operation, rotation.chunk, quarter);
      LH_UNROLL
      for (Bits32 i = 0; i < 4; ++i) signs[lane] |= (random.words[i] >> lane & 1u) << (quarter * 4 + i);
    }
  });
}

LH_WARP float negated(float value, Bits32 signs, Bits32 i) { return float_of(bits_of(value) ^ (signs >> i) << 31); }

/// Walsh-Hadamard in natural order.
template <typename W, typename R>
LH_WARP void rotate(const W& warp, typename W::template Lanes<BlockPart<R>>& w) {
  LH_UNROLL
  for (Bits32 h = 1; h < kLanes; h *= 2) {
    const auto other = warp.exchanged(w, h);
    warp.each([&](Bits32 lane) {
      const Bits32 sign = (lane & h) == 0 ? 0u : kSignBit;  // other - own
      LH_UNROLL
      for (Bits32 i = 0; i < R::kBlock / kLanes; ++i) w[lane][i] = other[lane][i] + float_of(bits_of(w[lane][i]) ^ sign);
    });
  }
  warp.each([&](Bits32 lane) {
    LH_UNROLL
    for (Bits32 h = 1; h < R::kBlock / kLanes; h *= 2) {
      LH_UNROLL
      for (Bits32 i = 0; i < R::kBlock / kLanes; ++i) {
        const float a = w[lane][i], b = w[lane][i ^ h];
        if ((i & h) == 0) w[lane][i] = a + b, w[lane][i ^ h] = a - b;
      }
    }
  });
}

/// In all lanes the sum of what the lanes have, halves onto halves.
template <typename W>
LH_WARP float summed(const W& warp, typename W::template Lanes<float>& terms) {
  LH_UNROLL
  for (Bits32 half = kLanes / 2; half > 0; half /= 2) {
    const auto other = warp.exchanged(terms, half);
    warp.each([&](Bits32 lane) { terms[lane] = terms[lane] + other[lane]; });
  }
  return warp.uniform(terms);
}

/// How many thresholds are below: compared as in a tree.
template <typename R>
LH_SHARED Bits32 level_below(float m) {
  constexpr float kMiddle = R::kThreshold[R::kLevels / 2 - 1];
  if constexpr (R::kLevels == 2) {
    return m > kMiddle ? 1u : 0u;
  } else {
    constexpr float k0 = R::kThreshold[0], k1 = R::kThreshold[1], k2 = R::kThreshold[2];
    constexpr float k4 = R::kThreshold[4], k5 = R::kThreshold[5], k6 = R::kThreshold[6];
    const bool upper = m > kMiddle, half = m > (upper ? k5 : k1);
    const bool quarter = m > (upper ? half ? k6 : k4 : half ? k2 : k0);
    return (upper ? 4u : 0u) + (half ? 2u : 0u) + (quarter ? 1u : 0u);
  }
}

template <typename R>
LH_SHARED float level_of(Bits32 code) {
  if constexpr (R::kLevels == 2) {
    constexpr float k0 = R::kLevel[0], k1 = R::kLevel[1];
    return (code & 1) != 0 ? k1 : k0;
  } else {
    constexpr float k0 = R::kLevel[0], k1 = R::kLevel[1], k2 = R::kLevel[2], k3 = R::kLevel[3];
    constexpr float k4 = R::kLevel[4], k5 = R::kLevel[5], k6 = R::kLevel[6], k7 = R::kLevel[7];
    const bool upper = (code & 4) != 0, half = (code & 2) != 0, quarter = (code & 1) != 0;
    const float low = half ? quarter ? k3 : k2 : quarter ? k1 : k0, high = half ? quarter ? k7 : k6 : quarter ? k5 : k4;
    return upper ? high : low;
  }
}

/// Rows of 32 / kBits lanes' codes become columns and back: in memory the codes of neighbouring values share a word, in registers
/// those of a lane do. Bit d of lane and bit d of place change places, one d after the other.
template <typename W, typename R>
LH_WARP void transpose(const W& warp, typename W::template Lanes<Codes<R>>& codes) {
  LH_UNROLL
  for (Bits32 d = 1; d < 32 / R::kBits; d *= 2) {
    const Bits32 shift = d * R::kBits, every = 0xffffffffu / ((1u << shift) + 1u);  // places with bit d clear
    const auto other = warp.exchanged(codes, d);
    warp.each([&](Bits32 lane) {
      LH_UNROLL
      for (Bits32 i = 0; i < Codes<R>::kSize; ++i) {
        const Bits32 own = codes[lane][i], its = other[lane][i];
        codes[lane][i] = (lane & d) == 0 ? (own & every) | (its & every) << shift : (own & ~every) | (its & ~every) >> shift;
      }
    });
  }
}

/// Which word of its block a lane has after transpose().
template <typename R>
LH_SHARED Bits32 word_of(Bits32 lane, Bits32 i) {
  constexpr Bits32 kTogether = 32 / R::kBits, kInRow = kLanes / kTogether;
  return (i * kTogether + lane % kTogether) * kInRow + lane / kTogether;
}

/// Rotated value i of a lane.
template <typename R>
LH_SHARED float rotated_value(const Codes<R>& codes, Bits32 i, float step) {
  const Bits32 code = codes[i * R::kBits / 32] >> i * R::kBits % 32;
  return canonical(float_of(bits_of(level_of<R>(code) * step) ^ (code >> (R::kBits - 1)) << 31));
}

/// The end of decoding: what is summed, rotated back.
template <typename W, typename R>
LH_WARP void rotate_back(const W& warp, const typename W::template Lanes<Bits32>& signs, typename W::template Lanes<BlockPart<R>>& w) {
  rotate<W, R>(warp, w);
  warp.each([&](Bits32 lane) {
    LH_UNROLL
    for (Bits32 i = 0; i < BlockPart<R>::kSize; ++i)
      w[lane][i] = canonical(negated(w[lane][i] * (1.0f / static_cast<float>(1u << R::kHalfLog)), signs[lane], i));
  });
}

}  // namespace longhaul::kernels::gpu
