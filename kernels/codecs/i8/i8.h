// SPDX-License-Identifier: Apache-2.0
// Codec i8: blocks of 128 values as 8-bit codes with one bf16 scale. Format: docs/codecs.md.
#pragma once

#include "kernels/codecs/codec.h"
#include "kernels/codecs/i8/arithmetic.h"

namespace longhaul::kernels {

constexpr std::size_t kI8Block = 128;

/// Scales come first, then the codes.
constexpr std::size_t i8_codes_at(std::size_t count) { return padded_to_16(2 * blocks_of(count, kI8Block)); }
constexpr std::size_t i8_bytes(std::size_t count) { return i8_codes_at(count) + kI8Block * blocks_of(count, kI8Block); }

extern const CodecForm kI8Simd, kI8Reference;
inline constexpr CodecKernels kI8{1, fixed_bytes<i8_bytes>, fixed_blob<i8_bytes>, &kI8Simd, &kI8Reference};

}  // namespace longhaul::kernels
