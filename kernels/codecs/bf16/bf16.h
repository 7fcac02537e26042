// SPDX-License-Identifier: Apache-2.0
// Codec bf16: every value rounded to bf16, NaN and Inf included; finite values stay finite. Format: docs/codecs.md.
#pragma once

#include "kernels/codecs/codec.h"

namespace longhaul::kernels {

constexpr std::size_t bf16_bytes(std::size_t count) { return padded_to_16(2 * count); }

extern const CodecForm kBf16Simd, kBf16Reference;
inline constexpr CodecKernels kBf16{1, fixed_bytes<bf16_bytes>, fixed_blob<bf16_bytes>, &kBf16Simd, &kBf16Reference};

}  // namespace longhaul::kernels
