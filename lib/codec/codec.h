// SPDX-License-Identifier: Apache-2.0
// Codec: what a run of fp32 values looks like on the WAN. A codec is one folder of kernels/codecs and one row of the table in
// codec.cpp, and inherits every test, fuzzer and benchmark from it. Stateless. docs/codecs.md has the formats and two rules:
// consistency (every site decodes the same blobs, its own included, in site order) and exactness (results depend on no compiler).
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/bytes.h"
#include "base/status.h"
#include "kernels/codecs/codec.h"

namespace longhaul::codec {

using kernels::Rotation;
constexpr std::size_t kNone = kernels::kNone;

/// encode() of a foreign codec: it broke its word, and trouble() says how.
constexpr std::size_t kBroken = kNone - 1;

/// A codec that is not of this library (plugin.h). Its functions are those of Codec, but may fail.
class Foreign {
 public:
  virtual ~Foreign() = default;
  virtual std::size_t most_bytes(std::size_t count) const = 0;
  virtual std::size_t blob_bytes(ConstBytes bytes, std::size_t count) const = 0;
  virtual std::size_t encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) = 0;
  virtual bool decode_add(ConstBytes blob, std::size_t count, bool first, float* sum) = 0;
  /// Why encode() was kBroken or decode_add() false.
  virtual const Status& trouble() const = 0;
};

struct Codec {
  lhCodec_t id;
  std::string_view name;  ///< as in the configuration
  const kernels::CodecKernels* kernels;
  /// Bound of |decoded - x| in units of the largest magnitude that is encoded together with x. Of r4 and r2, whose errors look
  /// normally distributed whatever the input: so many standard deviations that no value exceeds it. 0: exact.
  double relative_bound;
  Foreign* foreign = nullptr;  ///< does all the work, where there is one

  bool exact() const { return relative_bound == 0; }
  /// Room for the blob of `count` values; SIZE_MAX where count is more than any memory holds.
  std::size_t most_bytes(std::size_t count) const { return foreign ? foreign->most_bytes(count) : kernels->most_bytes(count); }
  /// Size of the blob of `count` values that `bytes` begin with; kNone: none does.
  std::size_t blob_bytes(ConstBytes bytes, std::size_t count) const {
    return foreign ? foreign->blob_bytes(bytes, count) : kernels->blob_bytes(bytes, count);
  }
  /// Encodes `count` values to `out` (most_bytes(count) bytes) and returns the size of the blob. kNone: this codec cannot carry them
  /// (NaN, Inf, numbers too large); `out` is then unspecified and the caller encodes with the fallback, which never refuses.
  std::size_t encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) const {
    return foreign ? foreign->encode(in, count, rotation, out) : kernels->simd->encode(in, count, rotation, out);
  }
  /// sum[i] += decoded[i], or sum[i] = decoded[i] with `first`. Total over any bytes: false (sum unchanged) where they are not one
  /// blob of `count` values. `sum` has room for accumulator_values(count).
  bool decode_add(ConstBytes blob, std::size_t count, bool first, float* sum) const {
    if (blob_bytes(blob, count) != blob.size()) return false;
    if (foreign) return foreign->decode_add(blob, count, first, sum);
    if (count > 0) kernels->simd->decode_add(blob.data(), count, first, sum);
    return true;
  }
  /// A rotating codec sums rotated values, in whole blocks; finish() turns the sum of all its blobs into values.
  bool rotates() const { return kernels->simd->finish != nullptr; }
  std::size_t accumulator_values(std::size_t count) const {
    return kernels::blocks_of(count, kernels->accumulator_block) * kernels->accumulator_block;
  }
  void finish(float* sum, std::size_t count, const Rotation& rotation) const {
    if (rotates()) kernels->simd->finish(sum, count, rotation);
  }
};

/// All that somebody can name, but lhCodecNone.
std::span<const Codec> all();
/// The codec of an id, or null: lhCodecNone (nothing to encode) and numbers that are no codec.
const Codec* find(lhCodec_t id);
/// Id on the wire of fp32 values as they are. Not a codec anybody can name: exact sums of 16-bit floats travel so where a site
/// has several ranks, because rounding a site's sum would round twice (16-bit floats are summed in fp32).
constexpr std::uint32_t kFloatSums = lhCodecDefault;
/// The codec of a message's id: find(), and kFloatSums.
const Codec* on_wire(std::uint32_t id);
/// The codec that carries what another cannot: bf16.
const Codec& fallback();
/// "none", "bf16", "i8", ... to the id; nullopt for other words.
std::optional<lhCodec_t> parse(std::string_view name);
std::string_view name_of(lhCodec_t id);

}  // namespace longhaul::codec
