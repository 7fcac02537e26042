// SPDX-License-Identifier: Apache-2.0
// The codec table: one row per codec. Adding one = its kernels and a row here.
#include "codec/codec.h"

#include <array>
#include <cstring>
#include <span>

#include "kernels/bf16.h"
#include "kernels/i8.h"
#include "kernels/reduce.h"

namespace longhaul::codec {
namespace {

bool encode_bf16(const float* in, std::size_t count, std::byte* out) {
  kernels::bf16_encode(in, count, out);
  return true;
}

bool decode_add_bf16(ConstBytes blob, std::size_t count, bool first, float* sum) {
  if (blob.size() != kernels::bf16_bytes(count)) return false;
  kernels::bf16_decode_add(blob.data(), count, first, sum);
  return true;
}

bool decode_add_i8(ConstBytes blob, std::size_t count, bool first, float* sum) {
  if (blob.size() != kernels::i8_bytes(count)) return false;
  kernels::i8_decode_add(blob.data(), count, first, sum);
  return true;
}

std::size_t float_bytes(std::size_t count) { return count * sizeof(float); }

bool encode_float(const float* in, std::size_t count, std::byte* out) {
  if (count) std::memcpy(out, in, count * sizeof(float));
  return true;
}

bool decode_add_float(ConstBytes blob, std::size_t count, bool first, float* sum) {
  if (blob.size() != float_bytes(count)) return false;
  const std::array<const void*, 2> sources = {sum, blob.data()};
  kernels::sum_to_float(sum, std::span(sources).last(first ? 1 : 2), count, lhFloat32);
  return true;
}

constexpr Codec kFloatSumsCodec{lhCodecDefault, "float sums", float_bytes, encode_float, decode_add_float, 0.0};

// i8: half a scale, which is a/127 rounded up by less than 2^-7, is less than a/252.
constexpr std::array kCodecs = {
    Codec{lhCodecBf16, "bf16", kernels::bf16_bytes, encode_bf16, decode_add_bf16, 0x1p-8},
    Codec{lhCodecI8, "i8", kernels::i8_bytes, kernels::i8_encode, decode_add_i8, 1.0 / 252},
};
static_assert(kCodecs[0].id == lhCodecBf16, "fallback() is the first row");

struct Name {
  lhCodec_t id;
  std::string_view text;
};
constexpr std::array kNames = {
    Name{lhCodecNone, "none"},
    Name{lhCodecBf16, "bf16"},
    Name{lhCodecI8, "i8"},
    Name{lhCodecR4, "r4"},
    Name{lhCodecF4, "f4"},
    Name{lhCodecR2, "r2"},
    Name{lhCodecLossless, "lossless"},
};

}  // namespace

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
  for (const Name& known : kNames) {
    if (known.text == name) return known.id;
  }
  return std::nullopt;
}

std::string_view name_of(lhCodec_t id) {
  if (id == lhCodecDefault) return "default";
  for (const Name& known : kNames) {
    if (known.id == id) return known.text;
  }
  return "unknown";
}

}  // namespace longhaul::codec
