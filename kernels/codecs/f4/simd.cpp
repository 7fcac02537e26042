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

/// Largest magnitudes of kLanes blocks that follow each other.
HWY_INLINE hn::Vec<decltype(du)> largest_magnitudes(const float* in) {
  const hn::RepartitionToWide<decltype(du)> d64;
  const auto mask = hn::Set(di, 0x7fffffff);
  hn::Vec<decltype(di)> most[kLanes];
  for (std::size_t block = 0; block < kLanes; ++block) {
    most[block] = hn::Zero(di);
    for (std::size_t i = 0; i < kF4Block; i += kLanes)
      most[block] = hn::Max(most[block], hn::And(mask, hn::BitCast(di, hn::LoadU(df, in + block * kF4Block + i))));
  }
  // Halves onto halves, two blocks at a time, until every lane is a block.
  for (std::size_t block = 0; block < kLanes; block += 2)
    most[block / 2] = hn::Max(hn::InterleaveLower(di, most[block], most[block + 1]), hn::InterleaveUpper(di, most[block], most[block + 1]));
  for (std::size_t pair = 0; pair < kLanes / 2; pair += 2) {
    const auto a = hn::BitCast(d64, most[pair]), b = hn::BitCast(d64, most[pair + 1]);
    most[pair / 2] = hn::Max(hn::BitCast(di, hn::InterleaveLower(d64, a, b)), hn::BitCast(di, hn::InterleaveUpper(d64, a, b)));
  }
  if constexpr (kLanes == 8) {
    const auto lower = hn::ConcatLowerLower(di, most[1], most[0]), upper = hn::ConcatUpperUpper(di, most[1], most[0]);
    most[0] = hn::Max(lower, upper);
  }
  return hn::BitCast(du, most[0]);
}

/// f4_scale() and f4_inverse() of kLanes blocks.
HWY_INLINE void scales_of(hn::Vec<decltype(du)> largest, float unit, float inverse_unit, Bits8* scales, float* inverses) {
  const auto sixth = hn::Mul(hn::Mul(hn::BitCast(df, largest), hn::Set(df, inverse_unit)), hn::Set(df, 0x1.555556p-3f));
  const auto normal = hn::Sub(hn::ShiftRight<20>(hn::Add(hn::BitCast(du, sixth), hn::Set(du, 0x000fffff))), hn::Set(du, 120u << 3));
  const auto steps = hn::Mul(hn::Min(sixth, hn::Set(df, 0x1p-6f)), hn::Set(df, 0x1p9f));
  const auto below = hn::ConvertTo(di, steps);
  const auto inexact = hn::VecFromMask(df, hn::Lt(hn::ConvertTo(df, below), steps));  // -1 where there is more
  const auto denormal = hn::BitCast(du, hn::Max(hn::Sub(below, hn::BitCast(di, inexact)), hn::Set(di, 1)));
  const auto is_normal = hn::RebindMask(du, hn::Gt(sixth, hn::Set(df, 0x1p-6f)));
  const auto vanishes = less(du, largest, hn::Set(du, kF4Smallest));
  const auto scale = hn::IfThenZeroElse(vanishes, hn::IfThenElse(is_normal, normal, denormal));
  hn::StoreU(hn::TruncateTo(du8, scale), du8, scales);
  const auto small = hn::Mul(hn::ConvertTo(df, hn::BitCast(di, scale)), hn::Set(df, 0x1p-9f));
  const auto large = hn::BitCast(df, hn::ShiftLeft<20>(hn::Add(scale, hn::Set(du, 120u << 3))));
  const auto step = hn::Mul(hn::IfThenElse(hn::RebindMask(df, less(du, scale, hn::Set(du, 8))), small, large), hn::Set(df, unit));
  hn::Store(hn::IfThenZeroElse(hn::RebindMask(df, vanishes), hn::Div(hn::Set(df, 1.0f), step)), df, inverses);
}

/// Blocks of `in`, which has all of a group; at most those of kGroup.
HWY_INLINE void encode_group(const float* in, std::size_t blocks, Bits8 exponent, std::byte* scales, std::byte* codes) {
  const float unit = f4_unit(exponent), inverse_unit = f4_inverse_unit(exponent);
  constexpr std::size_t kBlocks = kGroup / kF4Block;
  Bits8 unpacked[kGroup] = {}, all_scales[kBlocks];
  HWY_ALIGN float inverses[kBlocks];
  for (std::size_t block = 0; block < kBlocks; block += kLanes)
    scales_of(largest_magnitudes(in + block * kF4Block), unit, inverse_unit, all_scales + block, inverses + block);
  for (std::size_t block = 0; block < blocks; ++block)
    if (inverses[block] > 0) encode_block(in + block * kF4Block, inverses[block], unpacked + block * kF4Block);
  std::byte packed[kGroup / 2];
  pack_codes<4>(unpacked, kGroup, packed);
  std::memcpy(codes, packed, blocks * kF4Block / 2);
  std::memcpy(scales, all_scales, blocks);
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
