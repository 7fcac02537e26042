// SPDX-License-Identifier: Apache-2.0
// Codec lossless: header, symbols, frequencies and the steps of the coder, for host and device. Format: docs/codecs.md.
#pragma once

#include "kernels/shared.h"

namespace longhaul::kernels {

constexpr Bits32 kLosslessStates = 32;     ///< value i belongs to state i % 32
constexpr Bits32 kLosslessLow = 1u << 15;  ///< a state below it takes in another word
constexpr int kLosslessBits = 12;          ///< frequencies add up to 2^12
constexpr int kLosslessSymbols = 16;       ///< 0: exponent 0; 1 to 14: a window of exponents; 15: any other, sent as it is
constexpr int kLosslessEscape = 15;
constexpr int kLosslessWindow = 14;
constexpr int kLosslessHighestBase = 255 - kLosslessWindow;  ///< exponent 255 (Inf, NaN) is always escaped

/// The first 16 bytes. Raw: only width.
struct LosslessHeader {
  Bits8 coded, width, base, zero;  ///< width: bytes a value as it is, 2 where all values are bf16, else 4; base: lowest of the window
  Bits32 escapes, words, zero2;
};
static_assert(sizeof(LosslessHeader) == 16);

/// What a blob says about its symbols.
struct LosslessTable {
  Bits8 base;
  Bits16 frequency[kLosslessSymbols];
  Bits16 start[kLosslessSymbols + 1];  ///< sums of the frequencies before
};

LH_SHARED int lossless_symbol(Bits32 exponent, Bits32 base) {
  const Bits32 above = exponent - base;
  return exponent == 0 ? 0 : above < kLosslessWindow ? static_cast<int>(above) + 1 : kLosslessEscape;
}

/// Exponent of a symbol but the escape.
LH_SHARED Bits8 lossless_exponent(int symbol, Bits32 base) { return static_cast<Bits8>(symbol == 0 ? 0u : base + static_cast<Bits32>(symbol) - 1u); }

LH_SHARED void lossless_starts(LosslessTable* table) {
  table->start[0] = 0;
  for (int s = 0; s < kLosslessSymbols; ++s) table->start[s + 1] = static_cast<Bits16>(table->start[s] + table->frequency[s]);
}

/// The window with most of the values (the lowest such), and frequencies of at least 1. Returns the number of escapes.
LH_SHARED Bits32 lossless_table(const Bits32* histogram, Bits32 count, LosslessTable* table) {
  Bits32 inside = 0, most = 0, of[kLosslessSymbols] = {};
  for (int e = 1; e <= 254; ++e) {
    inside += histogram[e] - (e > kLosslessWindow ? histogram[e - kLosslessWindow] : 0u);
    if (e >= kLosslessWindow && (inside > most || e == kLosslessWindow)) most = inside, table->base = static_cast<Bits8>(e - kLosslessWindow + 1);
  }
  for (int e = 0; e < 256; ++e) of[lossless_symbol(static_cast<Bits32>(e), table->base)] += histogram[e];
  int frequent = 0;
  Bits32 left = 1u << kLosslessBits;
  for (int s = 0; s < kLosslessSymbols; ++s) {
    table->frequency[s] = static_cast<Bits16>(1u + Bits64{of[s]} * ((1u << kLosslessBits) - kLosslessSymbols) / count);
    left -= table->frequency[s];
    if (of[s] > of[frequent]) frequent = s;
  }
  table->frequency[frequent] = static_cast<Bits16>(table->frequency[frequent] + left);
  lossless_starts(table);
  return of[kLosslessEscape];
}

/// True where `state` must give off its low word before it takes in a symbol of this frequency.
LH_SHARED bool lossless_full(Bits32 state, Bits32 frequency) { return state >= frequency << 19; }
LH_SHARED Bits32 lossless_push(Bits32 state, Bits32 frequency, Bits32 start) {
  return (state / frequency << kLosslessBits) + state % frequency + start;
}
LH_SHARED Bits32 lossless_pop(Bits32 state, Bits32 frequency, Bits32 start) {
  return frequency * (state >> kLosslessBits) + (state & ((1u << kLosslessBits) - 1)) - start;
}

/// Sign and mantissa of a value without and with its exponent: the top byte, and 16 bits below it.
LH_SHARED Bits8 lossless_top(Bits32 bits) { return static_cast<Bits8>(bits >> 31 << 7 | (bits >> 16 & 0x7fu)); }
LH_SHARED Bits32 lossless_join(Bits32 top, Bits32 exponent, Bits32 low) { return top >> 7 << 31 | exponent << 23 | (top & 0x7fu) << 16 | low; }

}  // namespace longhaul::kernels
