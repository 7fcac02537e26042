// SPDX-License-Identifier: Apache-2.0
// Codec bf16: every value rounded to bf16, NaN and Inf included; finite values stay finite. Format: docs/codecs.md.
// No pointer needs more than byte alignment. Blob and values do not overlap.
#pragma once

#include <cstddef>

namespace longhaul::kernels {

/// Exact size of the blob of `count` values.
std::size_t bf16_bytes(std::size_t count);
/// Writes bf16_bytes(count) bytes.
void bf16_encode(const float* in, std::size_t count, std::byte* out);
/// sum[i] += value i of the blob of bf16_bytes(count) bytes; with `first`, sum[i] = value i. A NaN sum is the quiet
/// NaN.
void bf16_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum);

}  // namespace longhaul::kernels
