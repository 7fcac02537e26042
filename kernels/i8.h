// SPDX-License-Identifier: Apache-2.0
// Codec i8: blocks of 128 values as 8-bit codes with one bf16 scale. Format: docs/codecs.md.
// No pointer needs more than byte alignment. Blob and values do not overlap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace longhaul::kernels {

constexpr std::size_t kI8Block = 128;
/// 1/127 in fp32: turns the largest magnitude of a block into its scale.
constexpr float kI8ScalePerMagnitude = 0x1.020408p-7f;
/// A block whose largest magnitude is below this is sent as zero: scales and products stay clear of denormals.
constexpr float kI8SmallestMagnitude = 0x1p-110f;

/// Exact size of the blob of `count` values.
std::size_t i8_bytes(std::size_t count);
/// Offset of the codes in the blob of `count` values: scales come first.
std::size_t i8_codes_at(std::size_t count);
/// Writes i8_bytes(count) bytes. False: the input holds NaN or Inf, the bytes are unspecified.
bool i8_encode(const float* in, std::size_t count, std::byte* out);
/// sum[i] += value i of the blob of i8_bytes(count) bytes; with `first`, sum[i] = value i. A NaN sum is the quiet NaN.
void i8_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum);

}  // namespace longhaul::kernels
