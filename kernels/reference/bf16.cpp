// SPDX-License-Identifier: Apache-2.0
// The specification of codec bf16. count values of 2 bytes, little endian, padded with zeros to 16 bytes.
#include "kernels/reference/bf16.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/float16.h"

namespace longhaul::kernels::reference {

std::size_t bf16_bytes(std::size_t count) { return (2 * count + 15) / 16 * 16; }

void bf16_encode(const float* in, std::size_t count, std::byte* out) {
  std::memset(out, 0, bf16_bytes(count));
  for (std::size_t i = 0; i < count; ++i) {
    float x;
    std::memcpy(&x, reinterpret_cast<const std::byte*>(in) + 4 * i, 4);
    std::uint16_t code = float_to_bf16(x);
    if (std::isfinite(x) && std::isinf(bf16_to_float(code))) code = static_cast<std::uint16_t>(code - 1);
    out[2 * i] = static_cast<std::byte>(code & 0xff);
    out[2 * i + 1] = static_cast<std::byte>(code >> 8);
  }
}

void bf16_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const auto low = std::to_integer<unsigned>(blob[2 * i]), high = std::to_integer<unsigned>(blob[2 * i + 1]);
    float y = bf16_to_float(static_cast<std::uint16_t>(low | high << 8)), before = 0;
    std::byte* at = reinterpret_cast<std::byte*>(sum) + 4 * i;
    std::memcpy(&before, at, 4);
    if (!first) y = canonical(before + y);
    std::memcpy(at, &y, 4);
  }
}

}  // namespace longhaul::kernels::reference
