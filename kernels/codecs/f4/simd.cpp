// SPDX-License-Identifier: Apache-2.0
// Codec f4 as the library runs it; the specification is reference.cpp.
#include "kernels/codecs/dispatch.h"
#include "kernels/codecs/f4/f4.h"
#include "kernels/memory.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/f4/simd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include "kernels/codecs/levels-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* f4_form() { return &kF4Reference; }
#else

const hn::CappedTag<float, 8> df;
const hn::RebindToUnsigned<decltype(df)> du;
const hn::RebindToSigned<decltype(df)> di;
const hn::Rebind<std::uint8_t, decltype(df)> du8;
constexpr std::size_t kLanes = hn::MaxLanes(df);
constexpr std::size_t kGroup = 8 * kF4Block;  // blocks that are packed together

/// Codes 0 to 15, a byte each. Of the three roundings the smallest is the one whose range the value lies in.
HWY_INLINE void encode_block(const float* in, float inverse, Bits8* codes) {
  const auto factor = hn::Set(df, inverse);
  for (std::size_t i = 0; i < kF4Block; i += kLanes) {
    const auto value = hn::LoadU(df, in + i);
    const auto y = hn::Abs(hn::Mul(value, factor));
    const auto halves = hn::NearestInt(hn::Add(y, y));
    const auto wholes = hn::Add(hn::NearestInt(y), hn::Set(di, 2));
    const auto doubles = hn::Add(hn::NearestInt(hn::Mul(y, hn::Set(df, 0.5f))), hn::Set(di, 4));
    const auto level = hn::BitCast(du, hn::Min(hn::Min(halves, wholes), doubles));
    const auto sign = hn::ShiftLeft<3>(hn::ShiftRight<31>(hn::BitCast(du, value)));
    hn::StoreU(hn::TruncateTo(du8, hn::Or(level, sign)), du8, codes + i);
  }
}

/// Blocks of `in`, at most those of kGroup.
HWY_INLINE void encode_group(const float* in, std::size_t blocks, Bits8 exponent, std::byte* scales, std::byte* codes) {
  const float unit = f4_unit(exponent), inverse_unit = f4_inverse_unit(exponent);
  Bits8 unpacked[kGroup] = {};
  for (std::size_t block = 0; block < blocks; ++block) {
    const float* values = in + block * kF4Block;
    const Bits8 scale = f4_scale(largest_magnitude(values, kF4Block), inverse_unit);
    store(scales, block, scale);
    if (scale > 0) encode_block(values, f4_inverse(f4_step(scale, unit)), unpacked + block * kF4Block);
  }
  std::byte packed[kGroup / 2];
  pack_codes<4>(unpacked, kGroup, packed);
  std::memcpy(codes, packed, blocks * kF4Block / 2);
}

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  if (count == 0) return 0;
  const std::size_t whole = count / kGroup * kGroup, blocks = blocks_of(count, kF4Block);
  float tail[kGroup] = {};
  std::memcpy(tail, in + whole, (count - whole) * sizeof(float));
  const Bits32 most = largest_magnitude(in, whole), rest = largest_magnitude(tail, kGroup), largest = HWY_MAX(most, rest);
  if (largest >= kF4Limit) return kNone;
  const Bits8 exponent = f4_exponent(largest);
  std::memset(out, 0, kF4ScalesAt);
  store(out, 0, exponent);
  std::byte *scales = out + kF4ScalesAt, *codes = out + f4_codes_at(count);
  std::memset(scales + blocks, 0, f4_codes_at(count) - kF4ScalesAt - blocks);
  std::memset(codes + blocks * kF4Block / 2, 0, f4_bytes(count) - f4_codes_at(count) - blocks * kF4Block / 2);
  if (exponent == 0) {
    std::memset(scales, 0, blocks);
    std::memset(codes, 0, blocks * kF4Block / 2);
    return f4_bytes(count);
  }
  for (std::size_t begin = 0; begin < whole; begin += kGroup)
    encode_group(in + begin, kGroup / kF4Block, exponent, scales + begin / kF4Block, codes + begin / 2);
  encode_group(tail, blocks - whole / kF4Block, exponent, scales + whole / kF4Block, codes + whole / 2);
  return f4_bytes(count);
}

template <bool kFirst>
HWY_INLINE void decode_block(const std::byte* codes, float step, float* sum) {
  HWY_ALIGN static constexpr float kLevels[8] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  HWY_ALIGN float table[8];
  for (std::size_t i = 0; i < 8; i += kLanes) hn::Store(hn::Mul(hn::Load(df, kLevels + i), hn::Set(df, step)), df, table + i);
  const Expand<4> expand(table);
  for (std::size_t i = 0; i < kF4Block; i += kLanes) {
    const auto value = expand(codes + i / 2);
    hn::StoreU(canonical(df, kFirst ? value : hn::Add(hn::LoadU(df, sum + i), value)), df, sum + i);
  }
}

template <bool kFirst>
void decode(const std::byte* blob, std::size_t count, float* sum) {
  const float unit = f4_unit(load<Bits8>(blob, 0));
  const std::byte *scales = blob + kF4ScalesAt, *codes = blob + f4_codes_at(count);
  std::size_t i = 0;
  for (; i + kF4Block <= count; i += kF4Block) decode_block<kFirst>(codes + i / 2, f4_step(load<Bits8>(scales, i / kF4Block), unit), sum + i);
  if (i == count) return;
  float tail[kF4Block] = {};
  std::memcpy(tail, sum + i, (count - i) * sizeof(float));
  decode_block<kFirst>(codes + i / 2, f4_step(load<Bits8>(scales, i / kF4Block), unit), tail);
  std::memcpy(sum + i, tail, (count - i) * sizeof(float));
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  if (count == 0) return;
  first ? decode<true>(blob, count, sum) : decode<false>(blob, count, sum);
}

const CodecForm* f4_form() {
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

HWY_EXPORT(f4_form);
const CodecForm* form() { return HWY_DYNAMIC_DISPATCH(f4_form)(); }

}  // namespace

constinit const CodecForm kF4Simd = Dispatched<form>::kPlain;

}  // namespace longhaul::kernels
#endif
