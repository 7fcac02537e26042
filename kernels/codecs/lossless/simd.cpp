// SPDX-License-Identifier: Apache-2.0
// Codec lossless as the library runs it; the specification is reference.cpp. One pass forwards to count exponents, one backwards that writes.
#include "kernels/codecs/dispatch.h"
#include "kernels/codecs/lossless/lossless.h"
#include "kernels/memory.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/lossless/simd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include "kernels/codecs/lossless/coder-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* lossless_form() { return &kLosslessReference; }
#else

const StateTag du;
const hn::RebindToFloat<StateTag> df;
const hn::Rebind<std::uint8_t, StateTag> du8;
const hn::Rebind<std::uint16_t, StateTag> du16;
constexpr std::size_t kVectors = kLosslessStates / kStateLanes;
constexpr std::size_t kStepBytes = 2 * kLosslessStates;  // most that one step gives off or takes in

/// Several histograms, so that equal neighbours do not wait for each other. Returns all bits that are set in any value.
Bits32 count_exponents(const float* in, std::size_t count, Bits32* histogram) {
  Bits32 part[4][256] = {}, any = 0;
  std::size_t i = 0;
  for (; i + 4 <= count; i += 4) {
    for (std::size_t j = 0; j < 4; ++j) {
      const auto bits = load<Bits32>(in, i + j);
      ++part[j][bits >> 23 & 0xff];
      any |= bits;
    }
  }
  for (; i < count; ++i) ++part[0][load<Bits32>(in, i) >> 23 & 0xff], any |= load<Bits32>(in, i);
  for (std::size_t e = 0; e < 256; ++e) histogram[e] = part[0][e] + part[1][e] + part[2][e] + part[3][e];
  return any;
}

std::size_t encode_raw(const float* in, std::size_t count, std::size_t width, std::byte* out) {
  const std::size_t bytes = lossless_raw_bytes(count, width);
  store(out, 0, LosslessHeader{0, static_cast<Bits8>(width), 0, 0, 0, 0, 0});
  std::memset(out + 16 + width * count, 0, bytes - 16 - width * count);
  if (width == 4) std::memcpy(out + 16, in, 4 * count);
  for (std::size_t i = 0; width == 2 && i < count; ++i) store(out + 16, i, static_cast<Bits16>(load<Bits32>(in, i) >> 16));
  return bytes;
}

/// Writes a coded blob from behind.
class Encoder {
 public:
  Encoder(const float* in, std::size_t count, std::size_t width, const LosslessTable& table, std::size_t escapes, std::byte* out)
      : in_(in),
        wide_(width == 4),
        table_(table),
        coder_(table),
        out_(out),
        at_(lossless_layout(count, width, escapes, 0)),
        escape_(out + at_.escapes + escapes),
        words_(out + lossless_raw_bytes(count, width)) {
    for (Bits32& state : states_) state = kLosslessLow;
    std::memset(out + at_.tops + count, 0, at_.lows - at_.tops - count);
    if (wide_) std::memset(out + at_.lows + 2 * count, 0, at_.escapes - at_.lows - 2 * count);
    std::memset(escape_, 0, at_.words - at_.escapes - escapes);
  }

  /// False: coded is not smaller than raw.
  bool encode(std::size_t count) {
    std::size_t i = count;
    while (i > 0) {
      if (i % kLosslessStates == 0) i = encode_steps(i);
      if (i > 0 && !encode_one(--i)) return false;
    }
    return true;
  }
  const Bits32* states() const { return states_; }
  const std::byte* words() const { return words_; }

 private:
  bool encode_one(std::size_t i) {
    const auto bits = load<Bits32>(in_, i), exponent = bits >> 23 & 0xff;
    const int symbol = lossless_symbol(exponent, table_.base);
    store(out_ + at_.tops, i, lossless_top(bits));
    if (wide_) store(out_ + at_.lows, i, static_cast<Bits16>(bits));
    if (symbol == kLosslessEscape) *--escape_ = static_cast<std::byte>(exponent);
    Bits32& state = states_[i % kLosslessStates];
    if (lossless_full(state, table_.frequency[symbol])) {
      if (words_ - 2 < out_ + at_.words + 16) return false;
      store(words_ -= 2, 0, static_cast<Bits16>(state));
      state >>= 16;
    }
    state = lossless_push(state, table_.frequency[symbol], table_.start[symbol]);
    return true;
  }

  /// Whole steps before value `end`, as long as there is room for all words of one. Returns where it stopped.
  std::size_t encode_steps(std::size_t end) {
    States states[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) states[v] = hn::Load(du, states_ + v * kStateLanes);
    const std::byte* lowest = out_ + at_.words + 16 + kStepBytes;
    std::size_t i = end;
    for (; i > 0 && words_ >= lowest; i -= kLosslessStates) {
      for (std::size_t v = kVectors; v-- > 0;) {
        const std::size_t at = i - kLosslessStates + v * kStateLanes;
        const States bits = hn::BitCast(du, hn::LoadU(df, in_ + at));
        const States exponent = hn::And(hn::ShiftRight<23>(bits), hn::Set(du, 0xff));
        const States symbol = symbols(exponent);
        if (escape_ > out_ + at_.escapes) write_escapes(symbol, exponent);
        write_rest(bits, at);
        states[v] = coder_.push(states[v], symbol, &words_);
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(states[v], du, states_ + v * kStateLanes);
    return i;
  }

  HWY_INLINE States symbols(States exponent) const {
    const States above = hn::Min(hn::Sub(exponent, hn::Set(du, table_.base)), hn::Set(du, kLosslessWindow));
    return hn::IfThenZeroElse(hn::Eq(exponent, hn::Zero(du)), hn::Add(above, hn::Set(du, 1)));
  }
  HWY_INLINE void write_rest(States bits, std::size_t at) const {
    const States top = hn::Or(hn::And(hn::ShiftRight<24>(bits), hn::Set(du, 0x80)), hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 0x7f)));
    hn::StoreU(hn::TruncateTo(du8, top), du8, reinterpret_cast<std::uint8_t*>(out_ + at_.tops) + at);
    if (wide_) hn::StoreU(hn::TruncateTo(du16, bits), du16, reinterpret_cast<std::uint16_t*>(out_ + at_.lows) + at);
  }
  HWY_INLINE void write_escapes(States symbol, States exponent) {
    const std::size_t set = set_of(hn::Eq(symbol, hn::Set(du, kLosslessEscape)));
    if (set == 0) return;
    HWY_ALIGN Bits32 exponents[kStateLanes];
    hn::Store(exponent, du, exponents);
    for (std::size_t lane = kStateLanes; lane-- > 0;)
      if (set >> lane & 1) *--escape_ = static_cast<std::byte>(exponents[lane]);
  }

  const float* in_;
  bool wide_;
  LosslessTable table_;
  EncoderTable coder_;
  std::byte* out_;
  LosslessLayout at_;
  std::byte *escape_, *words_;
  HWY_ALIGN Bits32 states_[kLosslessStates];
};

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  if (count == 0) return 0;
  Bits32 histogram[256];
  const std::size_t width = (count_exponents(in, count, histogram) & 0xffff) == 0 ? 2 : 4, limit = lossless_raw_bytes(count, width);
  if (count >> 32 != 0) return encode_raw(in, count, width, out);
  LosslessTable table = {};
  const Bits32 escapes = lossless_table(histogram, static_cast<Bits32>(count), &table);
  const LosslessLayout at = lossless_layout(count, width, escapes, 0);
  if (limit < at.words + 32) return encode_raw(in, count, width, out);
  Encoder encoder(in, count, width, table, escapes, out);
  if (!encoder.encode(count)) return encode_raw(in, count, width, out);
  const std::size_t bytes = static_cast<std::size_t>(out + limit - encoder.words()), end = at.words + padded_to_16(bytes);
  std::memmove(out + at.words, encoder.words(), bytes);
  std::memset(out + at.words + bytes, 0, end - at.words - bytes);
  store(out, 0, LosslessHeader{1, static_cast<Bits8>(width), table.base, 0, escapes, static_cast<Bits32>(bytes / 2), 0});
  std::memcpy(out + kLosslessFrequenciesAt, table.frequency, sizeof table.frequency);
  std::memcpy(out + kLosslessStatesAt, encoder.states(), kLosslessStates * sizeof(Bits32));
  return end;
}

/// Hands out words a step at a time; those that the blob does not have are 0.
class Words {
 public:
  Words(const std::byte* words, std::size_t count) : end_(words + 2 * count) {}
  /// Where a whole step of words can be read, from `next` on.
  HWY_INLINE const std::byte* step(const std::byte* next) {
    return !in_rest_ && end_ - next >= static_cast<std::ptrdiff_t>(kStepBytes) ? next : last_steps(next);
  }

 private:
  const std::byte* last_steps(const std::byte* next) {
    if (in_rest_) return HWY_MIN(next, rest_ + kStepBytes);
    std::memcpy(rest_, next, static_cast<std::size_t>(end_ - next));
    in_rest_ = true;
    return rest_;
  }

  const std::byte* end_;
  bool in_rest_ = false;
  std::byte rest_[2 * kStepBytes] = {};  ///< the last words, which are less than a step, then zeros
};

class Decoder {
 public:
  Decoder(const std::byte* blob, std::size_t count, const LosslessHeader& header, const LosslessTable& table)
      : table_(table),
        at_(lossless_layout(count, header.width, header.escapes, header.words)),
        escape_(blob + at_.escapes),
        escapes_end_(escape_ + header.escapes),
        words_(blob + at_.words, header.words),
        blob_(blob) {}

  template <bool kWide, bool kFirst>
  void decode_add(std::size_t count, float* sum) {
    States states[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v)
      states[v] = hn::LoadU(du, reinterpret_cast<const Bits32*>(blob_ + kLosslessStatesAt) + v * kStateLanes);
    const std::byte *next = blob_ + at_.words, *tops = blob_ + at_.tops, *lows = blob_ + at_.lows;
    std::size_t i = 0;
    for (; i + kLosslessStates <= count; i += kLosslessStates) {
      next = words_.step(next);
      step<kWide, kFirst>(states, &next, tops + i, lows + 2 * i, sum + i);
    }
    if (i == count) return;
    std::byte last_tops[kLosslessStates] = {}, last_lows[2 * kLosslessStates] = {};
    float last_sum[kLosslessStates] = {};
    std::memcpy(last_tops, tops + i, count - i);
    if (kWide) std::memcpy(last_lows, lows + 2 * i, 2 * (count - i));
    std::memcpy(last_sum, sum + i, (count - i) * sizeof(float));
    next = words_.step(next);
    step<kWide, kFirst>(states, &next, last_tops, last_lows, last_sum);
    std::memcpy(sum + i, last_sum, (count - i) * sizeof(float));
  }

 private:
  template <bool kWide, bool kFirst>
  HWY_INLINE void step(States* states, const std::byte** words, const std::byte* tops, const std::byte* lows, float* sum) {
    States exponents[kVectors];
    auto escaped = hn::Zero(du);
    for (std::size_t v = 0; v < kVectors; ++v) {
      exponents[v] = table_.pop(&states[v], words);
      escaped = hn::Max(escaped, exponents[v]);
    }
    if (!hn::AllFalse(du, hn::Eq(escaped, hn::Set(du, 255)))) read_escapes(exponents);
    for (std::size_t v = 0; v < kVectors; ++v) {
      const std::size_t at = v * kStateLanes;
      const States top = hn::PromoteTo(du, hn::LoadU(du8, reinterpret_cast<const std::uint8_t*>(tops) + at));
      States bits = hn::Or(hn::ShiftLeft<24>(hn::And(top, hn::Set(du, 0x80))), hn::ShiftLeft<16>(hn::And(top, hn::Set(du, 0x7f))));
      bits = hn::Or(bits, hn::ShiftLeft<23>(exponents[v]));
      if constexpr (kWide) bits = hn::Or(bits, hn::PromoteTo(du, hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(lows) + at)));
      const auto value = hn::BitCast(df, bits);
      hn::StoreU(kFirst ? value : canonical(df, hn::Add(hn::LoadU(df, sum + at), value)), df, sum + at);
    }
  }
  HWY_NOINLINE void read_escapes(States* exponents) {
    HWY_ALIGN Bits32 all[kLosslessStates];
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(exponents[v], du, all + v * kStateLanes);
    for (Bits32& exponent : all)
      if (exponent == 255) exponent = escape_ < escapes_end_ ? load<Bits8>(escape_++, 0) : 0u;
    for (std::size_t v = 0; v < kVectors; ++v) exponents[v] = hn::Load(du, all + v * kStateLanes);
  }

  DecoderTable table_;
  LosslessLayout at_;
  const std::byte *escape_, *escapes_end_;
  Words words_;
  const std::byte* blob_;
};

template <bool kWide>
void decode_raw(const std::byte* values, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = float_of(kWide ? load<Bits32>(values, i) : static_cast<Bits32>(load<Bits16>(values, i)) << 16);
    store<float>(sum, i, first ? value : kernels::canonical(load<float>(sum, i) + value));
  }
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  if (count == 0) return;
  const auto header = load<LosslessHeader>(blob, 0);
  const bool wide = header.width == 4;
  if (!header.coded) return wide ? decode_raw<true>(blob + 16, count, first, sum) : decode_raw<false>(blob + 16, count, first, sum);
  LosslessTable table = {};
  table.base = header.base;
  std::memcpy(table.frequency, blob + kLosslessFrequenciesAt, sizeof table.frequency);
  lossless_starts(&table);
  Decoder decoder(blob, count, header, table);
  if (wide) return first ? decoder.decode_add<true, true>(count, sum) : decoder.decode_add<true, false>(count, sum);
  return first ? decoder.decode_add<false, true>(count, sum) : decoder.decode_add<false, false>(count, sum);
}

const CodecForm* lossless_form() {
  static constexpr CodecForm kForm{encode, decode_add, nullptr};
  return &kForm;
}

#endif
}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul::kernels {
namespace {

HWY_EXPORT(lossless_form);
const CodecForm* form() { return HWY_DYNAMIC_DISPATCH(lossless_form)(); }

}  // namespace

constinit const CodecForm kLosslessSimd = Dispatched<form>::kPlain;

}  // namespace longhaul::kernels
#endif
