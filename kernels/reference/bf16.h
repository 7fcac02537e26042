// SPDX-License-Identifier: Apache-2.0
// The specification of codec bf16 (docs/codecs.md). Slow on purpose; every other form must give the same bytes.
#pragma once

#include <cstddef>

namespace longhaul::kernels::reference {

std::size_t bf16_bytes(std::size_t count);
void bf16_encode(const float* in, std::size_t count, std::byte* out);
void bf16_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum);

}  // namespace longhaul::kernels::reference
