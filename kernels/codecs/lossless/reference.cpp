// SPDX-License-Identifier: Apache-2.0
// The specification of codec lossless. Coded: header, 16 frequencies (u16), 32 states (u32), tops (u8), lows (u16; none where all
// values are bf16), escaped exponents (u8), words (u16), each part padded to 16 bytes. Raw where that is not smaller.
#include "kernels/codecs/lossless/lossless.h"
#include "kernels/memory.h"

namespace longhaul::kernels {
namespace {

std::size_t encode_raw(const float* in, std::size_t count, std::size_t width, std::byte* out) {
  for (std::size_t i = 0; i < lossless_raw_bytes(count, width); ++i) out[i] = std::byte{0};
  if (count > 0) out[1] = static_cast<std::byte>(width);
  for (std::size_t i = 0; i < count * width; ++i) out[16 + i] = load<std::byte>(in, i / width * 4 + i % width + (4 - width));
  return lossless_raw_bytes(count, width);
}

/// Last value first, because the decoder undoes it from the end: words and escapes are written from behind.
std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  Bits32 histogram[256] = {}, low = 0, states[kLosslessStates];
  for (std::size_t i = 0; i < count; ++i) ++histogram[load<Bits32>(in, i) >> 23 & 0xff], low |= load<Bits32>(in, i) & 0xffff;
  const std::size_t width = low == 0 ? 2 : 4, limit = lossless_raw_bytes(count, width);
  LosslessTable table = {};
  if (count == 0 || count >> 32 != 0) return encode_raw(in, count, width, out);
  const Bits32 escapes = lossless_table(histogram, static_cast<Bits32>(count), &table);
  const LosslessLayout at = lossless_layout(count, width, escapes, 0);
  std::size_t escape = at.escapes + escapes, word = limit;
  if (limit < at.words + 32) return encode_raw(in, count, width, out);
  for (std::size_t i = 0; i < at.words; ++i) out[i] = std::byte{0};
  for (Bits32& state : states) state = kLosslessLow;
  for (std::size_t i = count; i-- > 0;) {
    const auto bits = load<Bits32>(in, i), exponent = bits >> 23 & 0xff;
    const int symbol = lossless_symbol(exponent, table.base);
    store(out + at.tops, i, lossless_top(bits));
    if (width == 4) store(out + at.lows, i, static_cast<Bits16>(bits));
    if (symbol == kLosslessEscape) out[--escape] = static_cast<std::byte>(exponent);
    Bits32& state = states[i % kLosslessStates];
    if (lossless_full(state, table.frequency[symbol])) {
      if (word - 2 < at.words + 16) return encode_raw(in, count, width, out);
      store(out + (word -= 2), 0, static_cast<Bits16>(state));
      state >>= 16;
    }
    state = lossless_push(state, table.frequency[symbol], table.start[symbol]);
  }
  const std::size_t words = (limit - word) / 2;
  store(out, 0, LosslessHeader{1, static_cast<Bits8>(width), table.base, 0, escapes, static_cast<Bits32>(words), 0});
  for (std::size_t s = 0; s < kLosslessSymbols; ++s) store(out + kLosslessFrequenciesAt, s, table.frequency[s]);
  for (std::size_t i = 0; i < kLosslessStates; ++i) store(out + kLosslessStatesAt, i, states[i]);
  for (std::size_t i = 0; i < padded_to_16(2 * words); ++i) out[at.words + i] = i < 2 * words ? out[word + i] : std::byte{0};
  return at.words + padded_to_16(2 * words);
}

/// Bits of value after value.
class Decoder {
 public:
  Decoder(const std::byte* blob, std::size_t count)
      : blob_(blob), header_(load<LosslessHeader>(blob, 0)), at_(lossless_layout(count, header_.width, header_.escapes, header_.words)) {
    if (!header_.coded) return;
    table_.base = header_.base;
    for (std::size_t s = 0; s < kLosslessSymbols; ++s) table_.frequency[s] = load<Bits16>(blob + kLosslessFrequenciesAt, s);
    for (std::size_t i = 0; i < kLosslessStates; ++i) states_[i] = load<Bits32>(blob + kLosslessStatesAt, i);
    lossless_starts(&table_);
  }
  Bits32 bits(std::size_t i) {
    const bool wide = header_.width == 4;
    if (!header_.coded) return wide ? load<Bits32>(blob_ + 16, i) : static_cast<Bits32>(load<Bits16>(blob_ + 16, i)) << 16;
    const Bits32 exponent = next_exponent(&states_[i % kLosslessStates]);
    return lossless_join(load<Bits8>(blob_ + at_.tops, i), exponent, wide ? load<Bits16>(blob_ + at_.lows, i) : 0u);
  }

 private:
  /// Words and escapes that the blob does not have are 0.
  Bits32 next_exponent(Bits32* state) {
    int symbol = 0;
    while (table_.start[symbol + 1] <= *state % (1u << kLosslessBits)) ++symbol;
    *state = lossless_pop(*state, table_.frequency[symbol], table_.start[symbol]);
    if (*state < kLosslessLow) *state = *state << 16 | (word_ < header_.words ? load<Bits16>(blob_ + at_.words, word_++) : 0u);
    if (symbol != kLosslessEscape) return lossless_exponent(symbol, table_.base);
    return escape_ < header_.escapes ? load<Bits8>(blob_ + at_.escapes, escape_++) : 0u;
  }

  const std::byte* blob_;
  LosslessHeader header_;
  LosslessLayout at_;
  LosslessTable table_ = {};
  Bits32 states_[kLosslessStates] = {}, escape_ = 0, word_ = 0;
};

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  if (count == 0) return;
  Decoder decoder(blob, count);
  for (std::size_t i = 0; i < count; ++i) {
    const float value = float_of(decoder.bits(i));
    store<float>(sum, i, first ? value : canonical(load<float>(sum, i) + value));
  }
}

}  // namespace

constinit const CodecForm kLosslessReference{encode, decode_add, nullptr};

}  // namespace longhaul::kernels
