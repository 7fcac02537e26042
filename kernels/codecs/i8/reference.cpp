// SPDX-License-Identifier: Apache-2.0
// The specification of codec i8. Per block of 128: all scales first (bf16, padded to 16 bytes), then all codes (int8).
#include "kernels/codecs/i8/i8.h"
#include "kernels/memory.h"

namespace longhaul::kernels {
namespace {

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  for (std::size_t i = 0; i < i8_bytes(count); ++i) out[i] = std::byte{0};
  for (std::size_t begin = 0; begin < count; begin += kI8Block) {
    const std::size_t end = begin + kI8Block < count ? begin + kI8Block : count;
    Bits32 largest = 0;
    for (std::size_t i = begin; i < end; ++i) {
      const Bits32 magnitude = magnitude_of(load<float>(in, i));
      if (magnitude > largest) largest = magnitude;
    }
    if (largest >= kInfBits) return kNone;
    const Bits16 scale = i8_scale(largest);
    store<Bits16>(out, begin / kI8Block, scale);
    for (std::size_t i = begin; i < end; ++i) store(out + i8_codes_at(count), i, i8_code(load<float>(in, i), i8_inverse(scale)));
  }
  return i8_bytes(count);
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = i8_value(load<signed char>(blob + i8_codes_at(count), i), load<Bits16>(blob, i / kI8Block));
    store<float>(sum, i, first ? value : canonical(load<float>(sum, i) + value));
  }
}

}  // namespace

constinit const CodecForm kI8Reference{encode, decode_add, nullptr};

}  // namespace longhaul::kernels
