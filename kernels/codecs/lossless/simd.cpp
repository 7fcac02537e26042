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

#include "kernels/codecs/lossless/decoder-inl.h"
#include "kernels/codecs/lossless/encoder-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* lossless_form() { return &kLosslessReference; }
#else

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
