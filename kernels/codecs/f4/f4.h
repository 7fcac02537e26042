// SPDX-License-Identifier: Apache-2.0
// Codec f4: blocks of 16 values as 4-bit floats (E2M1) with one 8-bit scale (E4M3) each, and one power of two for all of them.
// Format: docs/codecs.md.
#pragma once

#include "kernels/codecs/codec.h"
#include "kernels/codecs/f4/arithmetic.h"

namespace longhaul::kernels {

constexpr std::size_t kF4Block = 16;

/// The power of two, 15 zeros, the scales, the codes.
constexpr std::size_t kF4ScalesAt = 16;
constexpr std::size_t f4_codes_at(std::size_t count) { return kF4ScalesAt + padded_to_16(blocks_of(count, kF4Block)); }
constexpr std::size_t f4_bytes(std::size_t count) {
  return count == 0 ? 0 : f4_codes_at(count) + padded_to_16(blocks_of(count, kF4Block) * kF4Block / 2);
}

extern const CodecForm kF4Simd, kF4Reference;
inline constexpr CodecKernels kF4{1, fixed_bytes<f4_bytes>, fixed_blob<f4_bytes>, &kF4Simd, &kF4Reference};

}  // namespace longhaul::kernels
