// SPDX-License-Identifier: Apache-2.0
// Codec i8 as the library runs it; the specification is reference.cpp. Two passes over a block that sits in L1.
#include "kernels/codecs/dispatch.h"
#include "kernels/codecs/i8/i8.h"
#include "kernels/memory.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/i8/simd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include "kernels/codecs/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* i8_form() { return &kI8Reference; }
#else

const hn::ScalableTag<float> df;
const hn::Rebind<std::int32_t, decltype(df)> di;
const hn::Rebind<std::int8_t, decltype(df)> di8;

bool encode_block(const float* in, std::byte* scale, std::byte* codes) {
  const Bits32 largest = largest_magnitude(in, kI8Block);
  if (largest >= kInfBits) return false;
  const Bits16 bits = i8_scale(largest);
  store(scale, 0, bits);
  const auto inverse = hn::Set(df, i8_inverse(bits));
  for (std::size_t i = 0; i < kI8Block; i += hn::Lanes(df)) {
    // Never beyond 127, so the narrowing cannot saturate.
    const auto code = hn::NearestInt(hn::Mul(hn::LoadU(df, in + i), inverse));
    hn::StoreU(hn::DemoteTo(di8, code), di8, reinterpret_cast<std::int8_t*>(codes) + i);
  }
  return true;
}

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  if (count == 0) return 0;
  const std::size_t whole = count / kI8Block, used = 2 * blocks_of(count, kI8Block);
  std::byte* codes = out + i8_codes_at(count);
  for (std::size_t block = 0; block < whole; ++block)
    if (!encode_block(in + block * kI8Block, out + 2 * block, codes + block * kI8Block)) return kNone;
  if (count % kI8Block != 0) {
    float tail[kI8Block] = {};
    std::memcpy(tail, in + whole * kI8Block, (count % kI8Block) * sizeof(float));
    if (!encode_block(tail, out + 2 * whole, codes + whole * kI8Block)) return kNone;
  }
  std::memset(out + used, 0, i8_codes_at(count) - used);
  return i8_bytes(count);
}

template <bool kFirst>
void decode_block(const std::byte* codes, Bits16 scale, std::size_t count, float* sum) {
  const float step = bf16_to_float(scale);
  const auto steps = hn::Set(df, step);
  std::size_t i = 0;
  for (; i + hn::Lanes(df) <= count; i += hn::Lanes(df)) {
    const auto code = hn::PromoteTo(di, hn::LoadU(di8, reinterpret_cast<const std::int8_t*>(codes) + i));
    const auto value = hn::Mul(hn::ConvertTo(df, code), steps);
    hn::StoreU(canonical(df, kFirst ? value : hn::Add(hn::LoadU(df, sum + i), value)), df, sum + i);
  }
  for (; i < count; ++i) {
    const float value = i8_value(load<signed char>(codes, i), scale);
    store<float>(sum, i, kFirst ? value : kernels::canonical(load<float>(sum, i) + value));
  }
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  const std::byte* codes = blob + i8_codes_at(count);
  for (std::size_t begin = 0; begin < count; begin += kI8Block) {
    const std::size_t block = HWY_MIN(count - begin, kI8Block);
    const auto scale = load<Bits16>(blob, begin / kI8Block);
    first ? decode_block<true>(codes + begin, scale, block, sum + begin) : decode_block<false>(codes + begin, scale, block, sum + begin);
  }
}

const CodecForm* i8_form() {
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

HWY_EXPORT(i8_form);
const CodecForm* form() { return HWY_DYNAMIC_DISPATCH(i8_form)(); }

}  // namespace

constinit const CodecForm kI8Simd = Dispatched<form>::kPlain;

}  // namespace longhaul::kernels
#endif
