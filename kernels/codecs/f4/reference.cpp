// SPDX-License-Identifier: Apache-2.0
// The specification of codec f4: the exponent (16 bytes), a scale per block of 16 (padded to 16 bytes), two codes a byte, low
// nibble first (padded to 16 bytes).
#include "kernels/codecs/f4/f4.h"
#include "kernels/memory.h"

namespace longhaul::kernels {
namespace {

Bits32 largest_of(const float* in, std::size_t begin, std::size_t end) {
  Bits32 largest = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const Bits32 magnitude = magnitude_of(load<float>(in, i));
    if (magnitude > largest) largest = magnitude;
  }
  return largest;
}

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  for (std::size_t i = 0; i < f4_bytes(count); ++i) out[i] = std::byte{0};
  const Bits32 largest = largest_of(in, 0, count);
  if (largest >= kF4Limit) return kNone;
  const Bits8 exponent = f4_exponent(largest);
  if (count > 0) store(out, 0, exponent);
  for (std::size_t begin = 0; begin < count && exponent > 0; begin += kF4Block) {
    const std::size_t end = begin + kF4Block < count ? begin + kF4Block : count;
    const Bits8 scale = f4_scale(largest_of(in, begin, end), f4_inverse_unit(exponent));
    store(out + kF4ScalesAt, begin / kF4Block, scale);
    for (std::size_t i = begin; i < end && scale > 0; ++i) {
      const Bits8 code = f4_code(load<float>(in, i), f4_inverse(f4_step(scale, f4_unit(exponent))));
      out[f4_codes_at(count) + i / 2] |= static_cast<std::byte>(code << (i % 2 * 4));
    }
  }
  return f4_bytes(count);
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const float step = f4_step(load<Bits8>(blob + kF4ScalesAt, i / kF4Block), f4_unit(load<Bits8>(blob, 0)));
    const float value = f4_value(static_cast<Bits8>(load<Bits8>(blob + f4_codes_at(count), i / 2) >> (i % 2 * 4)), step);
    store<float>(sum, i, first ? value : canonical(load<float>(sum, i) + value));
  }
}

}  // namespace

constinit const CodecForm kF4Reference{encode, decode_add, nullptr};

}  // namespace longhaul::kernels
