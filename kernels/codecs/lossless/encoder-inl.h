// SPDX-License-Identifier: Apache-2.0
// The coded form of a blob, written from behind: the last value first. Included once for every instruction set.
#if defined(LH_LOSSLESS_ENCODER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_LOSSLESS_ENCODER_INL
#undef LH_LOSSLESS_ENCODER_INL
#else
#define LH_LOSSLESS_ENCODER_INL
#endif

#include "kernels/codecs/lossless/coder-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

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

#endif

}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
