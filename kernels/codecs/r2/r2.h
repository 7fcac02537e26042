// SPDX-License-Identifier: Apache-2.0
// Codec r2: rotated blocks of 1024 values, 2.016 bits a value. Format: docs/codecs.md.
#pragma once

#include "kernels/codecs/rotated/rotated.h"

namespace longhaul::kernels {

extern const CodecForm kR2Simd, kR2Reference;
inline constexpr CodecKernels kR2{R2::kBlock, fixed_bytes<rotated_bytes<R2>>, fixed_blob<rotated_bytes<R2>>, &kR2Simd, &kR2Reference};

}  // namespace longhaul::kernels
