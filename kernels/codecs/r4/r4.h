// SPDX-License-Identifier: Apache-2.0
// Codec r4: rotated blocks of 256 values, 4.0625 bits a value. Format: docs/codecs.md.
#pragma once

#include "kernels/codecs/rotated/rotated.h"

namespace longhaul::kernels {

extern const CodecForm kR4Simd, kR4Reference;
inline constexpr CodecKernels kR4{R4::kBlock, fixed_bytes<rotated_bytes<R4>>, fixed_blob<rotated_bytes<R4>>, &kR4Simd, &kR4Reference};

}  // namespace longhaul::kernels
