// SPDX-License-Identifier: Apache-2.0
// Codec: what a run of fp32 values looks like on the WAN. A codec is one row of the table in codec.cpp and inherits every test
// from it. Stateless. Consistency rule: every site decodes the same blobs, its own included, and adds them in site order.
// Exactness rule: scales and levels have at most 8 significant bits, so decode products are exact in fp32 and neither
// contraction nor vector width can change a result (docs/wire-format.md).
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"

namespace longhaul::codec {

struct Codec {
  lhCodec_t id;
  std::string_view name;  ///< as in the configuration
  /// Exact size of the blob of `count` values.
  std::size_t (*encoded_bytes)(std::size_t count);
  /// Encodes `count` values to `out` (encoded_bytes(count) bytes). False: the input holds NaN or Inf which this codec cannot
  /// carry; `out` is then unspecified and the caller encodes with the fallback. The fallback codec never returns false.
  bool (*encode)(const float* in, std::size_t count, std::byte* out);
  /// sum[i] += decoded[i], or sum[i] = decoded[i] with `first`. Total over any bytes: false (sum unchanged) where blob.size()
  /// is not encoded_bytes(count).
  bool (*decode_add)(ConstBytes blob, std::size_t count, bool first, float* sum);
  /// Bound of |decoded - x| for a block whose largest magnitude is a: relative_bound * a. For checks in benchmarks and tests.
  double relative_bound;
};

/// The codec of an id, or null: lhCodecNone (nothing to encode) and ids this version does not have.
const Codec* find(lhCodec_t id);
/// Id on the wire of fp32 values as they are. Not a codec anybody can name: exact sums of 16-bit floats travel so where a site
/// has several ranks, because rounding a site's sum would round twice (16-bit floats are summed in fp32).
constexpr std::uint32_t kFloatSums = lhCodecDefault;
/// The codec of a message's id: find(), and kFloatSums.
const Codec* on_wire(std::uint32_t id);
/// The codec that carries what another cannot (NaN, Inf): bf16.
const Codec& fallback();
/// "none", "bf16", "i8", ... to the id; nullopt for other words. Also names ids this version lacks.
std::optional<lhCodec_t> parse(std::string_view name);
std::string_view name_of(lhCodec_t id);

}  // namespace longhaul::codec
