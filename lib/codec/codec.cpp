// SPDX-License-Identifier: Apache-2.0
// The codec table: one row per codec. Adding one = its folder in kernels/codecs and a row here.
#include "codec/codec.h"

#include <array>
#include <cstring>

#include "kernels/codecs/bf16/bf16.h"
#include "kernels/codecs/f4/f4.h"
#include "kernels/codecs/i8/i8.h"
#include "kernels/codecs/lossless/lossless.h"
#include "kernels/codecs/r2/r2.h"
#include "kernels/codecs/r4/r4.h"
#include "kernels/reduce.h"

namespace longhaul::codec {
namespace {

std::size_t float_bytes(std::size_t count) { return count * sizeof(float); }

std::size_t encode_floats(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  if (count) std::memcpy(out, in, float_bytes(count));
  return float_bytes(count);
}

void add_floats(const std::byte* blob, std::size_t count, bool first, float* sum) {
  const std::array<const void*, 2> sources = {sum, blob};
  kernels::sum_to_float(sum, std::span(sources).last(first ? 1 : 2), count, lhFloat32);
}

constexpr kernels::CodecForm kFloatForm{encode_floats, add_floats, nullptr};
constexpr kernels::CodecKernels kFloats{1, kernels::fixed_bytes<float_bytes>, kernels::fixed_blob<float_bytes>, &kFloatForm, &kFloatForm};
constexpr Codec kFloatSumsCodec{lhCodecDefault, "float sums", &kFloats, 0};

constexpr std::array kCodecs = {
    Codec{lhCodecBf16, "bf16", &kernels::kBf16, 0x1p-8},
    Codec{lhCodecI8, "i8", &kernels::kI8, 1.0 / 252},  // half a scale, which is a/127 rounded up by less than 2^-7
    Codec{lhCodecR4, "r4", &kernels::kR4, 1.0},        // ten standard deviations of the error
    Codec{lhCodecF4, "f4", &kernels::kF4, 0.1876},     // half of the step between 4 and 6, whose unit is a/6 rounded up by less than 1/8
    Codec{lhCodecR2, "r2", &kernels::kR2, 3.7},        // ten standard deviations
    Codec{lhCodecLossless, "lossless", &kernels::kLossless, 0},
};
static_assert(kCodecs[0].id == lhCodecBf16, "fallback() is the first row");

}  // namespace

std::span<const Codec> all() { return kCodecs; }

const Codec* find(lhCodec_t id) {
  for (const Codec& codec : kCodecs) {
    if (codec.id == id) return &codec;
  }
  return nullptr;
}

const Codec* on_wire(std::uint32_t id) {
  if (id == kFloatSums) return &kFloatSumsCodec;
  return id <= lhCodecLossless ? find(static_cast<lhCodec_t>(id)) : nullptr;
}

const Codec& fallback() { return kCodecs[0]; }

std::optional<lhCodec_t> parse(std::string_view name) {
  if (name == "none") return lhCodecNone;
  for (const Codec& codec : kCodecs) {
    if (codec.name == name) return codec.id;
  }
  return std::nullopt;
}

std::string_view name_of(lhCodec_t id) {
  if (id == lhCodecDefault) return "default";
  if (id == lhCodecNone) return "none";
  const Codec* codec = find(id);
  return codec ? codec->name : "unknown";
}

}  // namespace longhaul::codec
