// SPDX-License-Identifier: Apache-2.0
// The coded form of a blob, read from the front. Included once for every instruction set.
#if defined(LH_LOSSLESS_DECODER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_LOSSLESS_DECODER_INL
#undef LH_LOSSLESS_DECODER_INL
#else
#define LH_LOSSLESS_DECODER_INL
#endif

#include "kernels/codecs/lossless/coder-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

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

#endif

}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
