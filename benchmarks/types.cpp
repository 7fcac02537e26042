// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/types.h"

#include <algorithm>
#include <array>
#include <span>

#include "benchmarks/units.h"

namespace longhaul::perf {
namespace {

template <typename T>
struct Word {
  std::string_view name;  // the first word of a value is the one printed
  T value;
};

constexpr std::array<Word<lhDataType_t>, 20> kTypes{
    {{"int8", lhInt8},       {"uint8", lhUint8},       {"int32", lhInt32},     {"uint32", lhUint32},
     {"int64", lhInt64},     {"uint64", lhUint64},     {"half", lhFloat16},    {"float", lhFloat32},
     {"double", lhFloat64},  {"bfloat16", lhBfloat16}, {"float16", lhFloat16}, {"float32", lhFloat32},
     {"float64", lhFloat64}, {"bf16", lhBfloat16},     {"fp16", lhFloat16},    {"fp32", lhFloat32},
     {"fp64", lhFloat64},    {"f16", lhFloat16},       {"f32", lhFloat32},     {"f64", lhFloat64}}};
constexpr std::array<Word<lhRedOp_t>, 5> kOps{
    {{"sum", lhSum}, {"prod", lhProd}, {"max", lhMax}, {"min", lhMin}, {"avg", lhAvg}}};
constexpr std::array<Word<lhCodec_t>, 8> kCodecs{{{"none", lhCodecNone},
                                                  {"bf16", lhCodecBf16},
                                                  {"i8", lhCodecI8},
                                                  {"r4", lhCodecR4},
                                                  {"f4", lhCodecF4},
                                                  {"r2", lhCodecR2},
                                                  {"lossless", lhCodecLossless},
                                                  {"default", lhCodecDefault}}};
constexpr std::size_t kDistinctTypes = 10;
constexpr std::size_t kCodecsOfAll = 7;  // not default

template <typename T>
std::string_view name_in(std::span<const Word<T>> words, T value) {
  const auto found = std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.value == value; });
  return found == words.end() ? "?" : found->name;
}

template <typename T>
std::optional<std::vector<T>> parse_words(std::string_view text, std::span<const Word<T>> words, std::size_t of_all,
                                          std::string* unknown) {
  std::vector<T> values;
  const auto add = [&](T value) {
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  };
  for (const std::string& item : split_list(text)) {
    if (item == "all") {
      for (const auto& word : words.first(of_all)) add(word.value);
      continue;
    }
    const auto found = std::find_if(words.begin(), words.end(), [&](const auto& word) { return word.name == item; });
    if (found == words.end()) {
      *unknown = item;
      return std::nullopt;
    }
    add(found->value);
  }
  if (values.empty()) {
    unknown->clear();
    return std::nullopt;
  }
  return values;
}

}  // namespace

std::string_view type_name(lhDataType_t type) { return name_in<lhDataType_t>(kTypes, type); }
std::string_view op_name(lhRedOp_t op) { return name_in<lhRedOp_t>(kOps, op); }
std::string_view codec_name(lhCodec_t codec) { return name_in<lhCodec_t>(kCodecs, codec); }

std::optional<std::vector<lhDataType_t>> parse_types(std::string_view text, std::string* unknown) {
  return parse_words<lhDataType_t>(text, kTypes, kDistinctTypes, unknown);
}
std::optional<std::vector<lhRedOp_t>> parse_ops(std::string_view text, std::string* unknown) {
  return parse_words<lhRedOp_t>(text, kOps, kOps.size(), unknown);
}
std::optional<std::vector<lhCodec_t>> parse_codecs(std::string_view text, std::string* unknown) {
  return parse_words<lhCodec_t>(text, kCodecs, kCodecsOfAll, unknown);
}

std::uint64_t type_size(lhDataType_t type) {
  switch (type) {
    case lhInt8:
    case lhUint8:
      return 1;
    case lhFloat16:
    case lhBfloat16:
      return 2;
    case lhInt32:
    case lhUint32:
    case lhFloat32:
      return 4;
    case lhInt64:
    case lhUint64:
    case lhFloat64:
      return 8;
  }
  return 0;
}

bool is_float(lhDataType_t type) {
  return type == lhFloat16 || type == lhFloat32 || type == lhFloat64 || type == lhBfloat16;
}

lhCodec_t effective_codec(lhCodec_t codec, lhDataType_t type, lhRedOp_t op) {
  const bool allowed = is_float(type) && type != lhFloat64 && (op == lhSum || op == lhAvg);
  return !allowed || (codec == lhCodecLossless && type == lhFloat16) ? lhCodecNone : codec;
}

EncodedBytes encoded_bytes(lhCodec_t codec, lhDataType_t type, std::uint64_t count) {
  const auto values = static_cast<double>(count);
  const auto size = static_cast<double>(type_size(type));
  switch (codec) {
    case lhCodecBf16:
      return {values * 2, values * 2};
    case lhCodecI8:
      return {values * 1.015625, values * 1.015625};  // a bf16 scale per 128 values
    case lhCodecR4:
      return {values * 0.5078125, values * 0.5078125};  // per 256
    case lhCodecF4:
      return {values * 0.5625, values * 0.5625};  // a byte per 16
    case lhCodecR2:
      return {values * 0.251953125, values * 0.251953125};  // per 1024
    case lhCodecLossless:
      return {values * (size - 1), values * 4};  // sign and mantissa at least, fp32 sums at most
    default:
      break;
  }
  return {values * size, values * (is_float(type) ? std::max(size, 4.0) : size)};
}

bool plausible_wire(double wire, double resent, const EncodedBytes& encoded) {
  return wire >= encoded.least && wire <= encoded.most * kOverheadFactor + kOverheadBytes + resent;
}

std::vector<lhCodec_t> codecs_explaining(double wire, double resent, lhDataType_t type, lhRedOp_t op,
                                         std::uint64_t count) {
  std::vector<lhCodec_t> codecs;
  for (const Word<lhCodec_t>& word : std::span(kCodecs).first(kCodecsOfAll)) {
    const lhCodec_t codec = word.value;
    if (effective_codec(codec, type, op) != codec) continue;
    if (plausible_wire(wire, resent, encoded_bytes(codec, type, count))) codecs.push_back(codec);
  }
  return codecs;
}

}  // namespace longhaul::perf
