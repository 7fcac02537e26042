// SPDX-License-Identifier: Apache-2.0
// Codec lossless on a GPU, encoding: all warps count exponents; one warp, whose lanes are the 32 states of the format, codes them from the
// last row of 32 values to the first; all warps write what is not coded. Format: docs/codecs.md; how such code is written:
// kernels/cuda/warp.h.
#pragma once

#include "kernels/codecs/lossless/lossless.h"
#include "kernels/codecs/lossless/warp_table.h"
#include "kernels/cuda/codec_device.h"
#include "kernels/cuda/octets.h"

namespace longhaul::kernels::gpu {

/// What the passes tell each other in `work`, which begins as zeros.
struct LosslessWork {
  Bits32 histogram[256];
  Bits32 low;    ///< or of the lower halves of all values
  Bits32 coded;  ///< 1, or 0 where that would not be smaller
};
static_assert(sizeof(LosslessWork) <= work_bytes(lhCodecLossless));

constexpr Bits32 kRows = 8;  ///< of 32 values, that are fetched at once
constexpr Bits64 kTile = kRows * kLanes;

/// Pass 1: `groups` of 256 values.
template <typename W, typename T>
LH_WARP void lossless_survey(const W& warp, const EncodeJob& job, Bits64 group) {
  auto* work = reinterpret_cast<LosslessWork*>(job.work);
  warp.each([&](Bits32 lane) {
    const Bits64 begin = (group * kLanes + lane) * Octet::kSize;
    const Octet x = octet_at<W, T, false>(job, begin);
    Bits32 low = 0;
    for (Bits32 i = 0; i < Octet::kSize && begin + i < job.count; ++i) {
      W::add(&work->histogram[bits_of(x[i]) >> 23 & 0xff], 1);
      low |= bits_of(x[i]) & 0xffff;
    }
    if (low != 0) W::merge(&work->low, low);
  });
}

/// The coder at work: lanes write words and escapes from behind.
template <typename W>
struct LosslessCoder {
  typename W::template Lanes<Bits32> state, table;
  Bits8* out;
  Bits32 base;
  Bits64 word, escape;  ///< bytes of the blob: what is written begins there

  /// One row: the values of the lanes where `here`.
  LH_WARP void push(const W& warp, const typename W::template Lanes<Bits32>& exponent, const typename W::template Lanes<bool>& here) {
    typename W::template Lanes<Bits32> symbol;
    typename W::template Lanes<bool> full, escaped;
    warp.each([&](Bits32 lane) { symbol[lane] = static_cast<Bits32>(lossless_symbol(exponent[lane], base)); });
    const auto entry = warp.at(table, symbol);
    warp.each([&](Bits32 lane) {
      full[lane] = here[lane] && lossless_full(state[lane], frequency_of(entry[lane]));
      escaped[lane] = here[lane] && symbol[lane] == kLosslessEscape;
    });
    const Bits32 fulls = warp.ballot(full), escapes = warp.ballot(escaped);
    warp.each([&](Bits32 lane) {
      if (escaped[lane]) W::template store<Bits8>(out + escape - ones(escapes >> lane), static_cast<Bits8>(exponent[lane]));
      if (full[lane]) {
        W::template store<Bits16>(out + word - 2 * ones(fulls >> lane), static_cast<Bits16>(state[lane]));
        state[lane] >>= 16;
      }
      if (here[lane]) state[lane] = lossless_push(state[lane], frequency_of(entry[lane]), start_of(entry[lane]));
    });
    word -= 2 * ones(fulls);
    escape -= ones(escapes);
  }
};

/// Exponents of a tile, row by row; 0 beyond the values.
template <typename W, typename T>
LH_WARP void exponents_of(const W& warp, const EncodeJob& job, Bits64 tile, typename W::template Lanes<Values<Bits32, kRows>>& exponents) {
  warp.each([&](Bits32 lane) {
    LH_UNROLL
    for (Bits32 row = 0; row < kRows; ++row) {
      const Bits64 i = tile * kTile + row * kLanes + lane;
      exponents[lane][row] = i < job.count ? bits_of(value_at<W, T, false>(job, i)) >> 23 & 0xff : 0u;
    }
  });
}

/// All rows, last first. False: it would not be smaller; what was written does not matter then.
template <typename W, typename T>
LH_WARP bool code_rows(const W& warp, const EncodeJob& job, LosslessCoder<W>& coder, Bits64 lowest) {
  typename W::template Lanes<Values<Bits32, kRows>> exponents, next;
  Bits64 tile = (job.count + kTile - 1) / kTile;
  exponents_of<W, T>(warp, job, tile - 1, next);
  while (tile-- > 0) {
    exponents = next;
    if (tile > 0) exponents_of<W, T>(warp, job, tile - 1, next);
    LH_UNROLL
    for (Bits32 row = kRows; row-- > 0;) {
      typename W::template Lanes<Bits32> exponent;
      typename W::template Lanes<bool> here;
      warp.each([&](Bits32 lane) {
        exponent[lane] = exponents[lane][row];
        here[lane] = tile * kTile + row * kLanes + lane < job.count;
      });
      coder.push(warp, exponent, here);
      if (coder.word < lowest) return false;
    }
  }
  return true;
}

/// Words lie at the end of the room: to where they belong, forwards.
template <typename W>
LH_WARP void move_words(const W& warp, Bits8* out, Bits64 from, Bits64 to, Bits64 words) {
  constexpr Bits32 kAtOnce = 4;
  for (Bits64 begin = 0; begin < words; begin += kAtOnce * kLanes) {
    typename W::template Lanes<Values<Bits16, kAtOnce>> some;
    warp.each([&](Bits32 lane) {
      LH_UNROLL
      for (Bits32 k = 0; k < kAtOnce; ++k) {
        const Bits64 i = begin + k * kLanes + lane;
        some[lane][k] = i < words ? W::template load<Bits16>(out + from + 2 * i) : Bits16{0};
      }
    });
    warp.meet();
    warp.each([&](Bits32 lane) {
      LH_UNROLL
      for (Bits32 k = 0; k < kAtOnce; ++k) {
        const Bits64 i = begin + k * kLanes + lane;
        if (i < words) W::template store<Bits16>(out + to + 2 * i, some[lane][k]);
      }
    });
    warp.meet();
  }
}

template <typename W>
LH_WARP void zero(const W& warp, Bits8* out, Bits64 begin, Bits64 end) {
  warp.each([&](Bits32 lane) {
    for (Bits64 i = begin + lane; i < end; i += kLanes) W::template store<Bits8>(out + i, Bits8{0});
  });
}

/// Pass 2, by one warp: everything but tops and lows, or the header of an uncoded blob.
template <typename W, typename T>
LH_WARP void lossless_code(const W& warp, const EncodeJob& job) {
  auto* work = reinterpret_cast<LosslessWork*>(job.work);
  const Bits32 width = work->low == 0 ? 2 : 4;
  const Bits64 limit = lossless_raw_bytes(job.count, width);
  LosslessTable table = {};
  Bits32 escapes = 0;
  LosslessLayout at = {};
  bool coded = job.count >> 32 == 0;
  if (coded) {
    escapes = lossless_table(work->histogram, static_cast<Bits32>(job.count), &table);
    at = lossless_layout(job.count, width, escapes, 0);
    coded = limit >= at.words + 32;
  }
  LosslessCoder<W> coder;
  coder.out = job.blob;
  coder.base = table.base;
  coder.word = limit;
  coder.escape = at.escapes + escapes;
  pack_table(warp, table, coder.table);
  warp.each([&](Bits32 lane) { coder.state[lane] = kLosslessLow; });
  if (coded) coded = code_rows<W, T>(warp, job, coder, at.words + 16);
  const Bits64 words = coded ? (limit - coder.word) / 2 : 0;
  warp.meet();
  if (coded) {
    move_words(warp, job.blob, coder.word, at.words, words);
    zero(warp, job.blob, at.words + 2 * words, at.words + padded_to_16(2 * words));
    zero(warp, job.blob, at.escapes + escapes, at.words);
  }
  warp.each([&](Bits32 lane) {
    if (coded) W::template store<Bits32>(job.blob + kLosslessStatesAt + 4 * lane, coder.state[lane]);
    if (coded && lane < kLosslessSymbols)
      W::template store<Bits16>(job.blob + kLosslessFrequenciesAt + 2 * lane, static_cast<Bits16>(frequency_of(coder.table[lane])));
    if (lane != 0) return;
    const Bits32 head = coded ? 1u | width << 8 | static_cast<Bits32>(table.base) << 16 : width << 8;
    W::template store<Quad>(job.blob, Quad{{head, coded ? escapes : 0u, static_cast<Bits32>(words), 0u}});
    work->coded = coded ? 1 : 0;
    *job.bytes = coded ? at.words + padded_to_16(2 * words) : limit;
  });
}

/// Pass 3: what is not coded of a group of 256 values, and the padding behind it.
template <typename W, typename T>
LH_WARP void lossless_rest(const W& warp, const EncodeJob& job, Bits64 group) {
  const auto* work = reinterpret_cast<const LosslessWork*>(job.work);
  const bool wide = work->low != 0, coded = work->coded != 0;
  warp.each([&](Bits32 lane) {
    const Bits64 begin = (group * kLanes + lane) * Octet::kSize;
    const Octet x = octet_at<W, T, false>(job, begin);
    Values<Bits32, 2> tops = {};
    Quad halves = {};
    LH_UNROLL
    for (Bits32 i = 0; i < 8; ++i) {
      tops[i / 4] |= static_cast<Bits32>(lossless_top(bits_of(x[i]))) << i % 4 * 8;
      halves[i / 2] |= (coded ? bits_of(x[i]) & 0xffff : bits_of(x[i]) >> 16) << i % 2 * 16;
    }
    if (coded && begin < padded_to_16(job.count)) W::template store<Values<Bits32, 2>>(job.blob + kLosslessTopsAt + begin, tops);
    if (begin >= job.count) return;
    if (coded && wide) W::template store<Quad>(job.blob + kLosslessTopsAt + padded_to_16(job.count) + 2 * begin, halves);
    if (!coded && !wide) W::template store<Quad>(job.blob + 16 + 2 * begin, halves);
    if (coded || !wide) return;
    LH_UNROLL
    for (Bits32 half = 0; half < 8; half += 4) {
      const Quad whole = {{bits_of(x[half]), bits_of(x[half + 1]), bits_of(x[half + 2]), bits_of(x[half + 3])}};
      if (begin + half < job.count) W::template store<Quad>(job.blob + 16 + 4 * (begin + half), whole);
    }
  });
}

}  // namespace longhaul::kernels::gpu
