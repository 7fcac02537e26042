// SPDX-License-Identifier: Apache-2.0
// The specification of codec i8. Per block of 128: all scales first (bf16, padded to 16 bytes), then all codes (int8).
#include "kernels/reference/i8.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/float16.h"

namespace longhaul::kernels::reference {

static std::size_t codes_at(std::size_t count) { return ((count + 127) / 128 * 2 + 15) / 16 * 16; }
std::size_t i8_bytes(std::size_t count) { return codes_at(count) + (count + 127) / 128 * 128; }

bool i8_encode(const float* in, std::size_t count, std::byte* out) {
  std::memset(out, 0, i8_bytes(count));
  for (std::size_t begin = 0; begin < count; begin += 128) {
    float x[128] = {}, a = 0;
    std::memcpy(x, reinterpret_cast<const std::byte*>(in) + 4 * begin, 4 * (count - begin < 128 ? count - begin : 128));
    for (float v : x) {
      if (!std::isfinite(v)) return false;
      a = std::fmax(a, std::fabs(v));
    }
    if (a < 0x1p-110f) continue;
    const std::uint16_t scale = float_to_bf16_up(a * 0x1.020408p-7f);
    out[begin / 64] = static_cast<std::byte>(scale & 0xff);
    out[begin / 64 + 1] = static_cast<std::byte>(scale >> 8);
    const float r = 1.0f / bf16_to_float(scale);
    for (std::size_t i = 0; i < 128; ++i) {
      const float q = std::fmin(std::fmax(std::rint(x[i] * r), -127.0f), 127.0f);
      out[codes_at(count) + begin + i] = static_cast<std::byte>(static_cast<std::int8_t>(q));
    }
  }
  return true;
}

void i8_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* scale = blob + i / 128 * 2;
    const unsigned bits = std::to_integer<unsigned>(scale[0]) | std::to_integer<unsigned>(scale[1]) << 8;
    const auto q = static_cast<std::int8_t>(blob[codes_at(count) + i]);
    float y = canonical(static_cast<float>(q) * bf16_to_float(static_cast<std::uint16_t>(bits))), before = 0;
    std::byte* at = reinterpret_cast<std::byte*>(sum) + 4 * i;
    std::memcpy(&before, at, 4);
    if (!first) y = canonical(before + y);
    std::memcpy(at, &y, 4);
  }
}

}  // namespace longhaul::kernels::reference
