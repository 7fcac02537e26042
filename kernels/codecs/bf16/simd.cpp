// SPDX-License-Identifier: Apache-2.0
// Codec bf16 as the library runs it; the specification is reference.cpp.
#include "kernels/codecs/bf16/bf16.h"
#include "kernels/codecs/dispatch.h"
#include "kernels/float16.h"
#include "kernels/memory.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/bf16/simd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include "kernels/codecs/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* bf16_form() { return &kBf16Reference; }
#else

const hn::ScalableTag<float> df;
const hn::RebindToUnsigned<decltype(df)> du;
const hn::Rebind<std::uint16_t, decltype(df)> du16;

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  const std::size_t lanes = hn::Lanes(df);
  const auto largest = hn::Set(du, 0x7f7f0000u), inf = hn::Set(du, kInfBits), sign_bit = hn::Set(du, kSignBit);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto bits = hn::BitCast(du, hn::LoadU(df, in + i));
    const auto magnitude = hn::AndNot(sign_bit, bits);
    // Finite values stay finite; adding to magnitudes cannot reach the sign.
    const auto limited = hn::IfThenElse(less(du, magnitude, inf), hn::Min(magnitude, largest), magnitude);
    const auto odd = hn::And(hn::ShiftRight<16>(limited), hn::Set(du, 1));
    const auto finite = hn::ShiftRight<16>(hn::Add(hn::Add(limited, hn::Set(du, 0x7fff)), odd));
    const auto nan = hn::Or(hn::ShiftRight<16>(magnitude), hn::Set(du, 0x40));
    const auto code = hn::Or(hn::IfThenElse(less(du, inf, magnitude), nan, finite), hn::ShiftRight<16>(hn::And(bits, sign_bit)));
    hn::StoreU(hn::TruncateTo(du16, code), du16, reinterpret_cast<std::uint16_t*>(out) + i);
  }
  for (; i < bf16_bytes(count) / 2; ++i) store<Bits16>(out, i, i < count ? float_to_finite_bf16(load<float>(in, i)) : Bits16{0});
  return bf16_bytes(count);
}

template <bool kFirst>
void decode(const std::byte* blob, std::size_t count, float* sum) {
  const std::size_t lanes = hn::Lanes(df);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto code = hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(blob) + i);
    const auto bits = hn::ShiftLeft<16>(hn::PromoteTo(du, code));
    const auto is_nan = less(du, hn::Set(du, kInfBits), hn::AndNot(hn::Set(du, kSignBit), bits));
    const auto value = hn::BitCast(df, hn::Or(bits, hn::IfThenElseZero(is_nan, hn::Set(du, 0x00400000u))));
    hn::StoreU(kFirst ? value : canonical(df, hn::Add(hn::LoadU(df, sum + i), value)), df, sum + i);
  }
  for (; i < count; ++i) {
    const float value = bf16_to_float(load<Bits16>(blob, i));
    store<float>(sum, i, kFirst ? value : kernels::canonical(load<float>(sum, i) + value));
  }
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  first ? decode<true>(blob, count, sum) : decode<false>(blob, count, sum);
}

const CodecForm* bf16_form() {
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

HWY_EXPORT(bf16_form);
const CodecForm* form() { return HWY_DYNAMIC_DISPATCH(bf16_form)(); }

}  // namespace

constinit const CodecForm kBf16Simd = Dispatched<form>::kPlain;

}  // namespace longhaul::kernels
#endif
