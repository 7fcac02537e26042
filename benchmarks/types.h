// SPDX-License-Identifier: Apache-2.0
// Names and sizes of the data types, operations and codecs of the C ABI as this program spells them (nccl-tests'
// words), and the arithmetic of what a codec puts on the WAN. Pure functions.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace longhaul::perf {

std::string_view type_name(lhDataType_t type);
std::string_view op_name(lhRedOp_t op);
std::string_view codec_name(lhCodec_t codec);

/// Lists separated by commas; "all" is every one. On an unknown word nullopt, and *unknown
/// is it.
std::optional<std::vector<lhDataType_t>> parse_types(std::string_view text, std::string* unknown);
std::optional<std::vector<lhRedOp_t>> parse_ops(std::string_view text, std::string* unknown);
std::optional<std::vector<lhCodec_t>> parse_codecs(std::string_view text, std::string* unknown);

std::uint64_t type_size(lhDataType_t type);
bool is_float(lhDataType_t type);

/// The codec that really runs: none where the interface forbids loss (integers, fp64, Prod, Max, Min), and for fp16 lossless.
lhCodec_t effective_codec(lhCodec_t codec, lhDataType_t type, lhRedOp_t op);

/// Bytes that `count` elements take on one directed link between two sites, without frames and acknowledgements.
struct EncodedBytes {
  double least = 0;  ///< L is computed from this one: nothing valid can be smaller
  double most = 0;   ///< differs for 16-bit floats with `none`, which may travel as fp32 partial sums, and for `lossless`
};
EncodedBytes encoded_bytes(lhCodec_t codec, lhDataType_t type, std::uint64_t count);

/// Frames, acknowledgements, heartbeats and padding that a call may add to `most` on one directed link.
constexpr double kOverheadFactor = 1.1;
constexpr double kOverheadBytes = 64 * 1024;

/// Is `wire` bytes per call on a directed link believable for this codec, where `resent` bytes of it were sent again?
bool plausible_wire(double wire, double resent, const EncodedBytes& encoded);

/// The codecs that explain `wire`, for calls that left the codec to the configuration.
std::vector<lhCodec_t> codecs_explaining(double wire, double resent, lhDataType_t type, lhRedOp_t op,
                                         std::uint64_t count);

}  // namespace longhaul::perf
