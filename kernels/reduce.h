// SPDX-License-Identifier: Apache-2.0
// Element-wise reduction on host memory. Pure functions; no pointer needs more than byte alignment. Floating-point
// addition happens strictly in source order per element, so every machine and vector width gives the same bits.
#pragma once

#include <longhaul/longhaul.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace longhaul::kernels {

/// Bytes of one element; 0 for a value that is no data type.
std::size_t size_of(lhDataType_t type);
/// fp16, bf16 and fp32: the types a lossy codec may carry.
bool is_codec_float(lhDataType_t type);

/// dst[i] = sources[0][i] op sources[1][i] op ...; afterwards divided once by `divisor` (1: not at all; lhAvg only).
/// sources is not empty; dst may be one of the sources. lhAvg adds like lhSum. 16-bit floats are combined in fp32 and
/// rounded once (to nearest even). Integers wrap; their division truncates toward zero. lhMax/lhMin: NaN wins.
void reduce(void* dst, std::span<const void* const> sources, std::size_t count, lhDataType_t type, lhRedOp_t op,
            std::uint64_t divisor);

/// dst[i] = fp32 sum of the sources (type fp16, bf16 or fp32) in source order.
void sum_to_float(float* dst, std::span<const void* const> sources, std::size_t count, lhDataType_t type);

/// dst[i] = type(src[i] / divisor), rounded to nearest even; type fp16, bf16 or fp32. dst == src is legal for fp32.
void from_float(void* dst, const float* src, std::size_t count, lhDataType_t type, std::uint64_t divisor);

}  // namespace longhaul::kernels
