// SPDX-License-Identifier: Apache-2.0
// The specification of codec i8 (docs/codecs.md). Slow on purpose; every other form must give the same bytes.
#pragma once

#include <cstddef>

namespace longhaul::kernels::reference {

std::size_t i8_bytes(std::size_t count);
bool i8_encode(const float* in, std::size_t count, std::byte* out);
void i8_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum);

}  // namespace longhaul::kernels::reference
