// SPDX-License-Identifier: Apache-2.0
// Codec i8 as the library runs it; the specification is kernels/reference/i8.cpp. Two passes over a block that sits in
// L1: the largest magnitude as an integer maximum, which also finds NaN and Inf, then the codes.
#include "kernels/i8.h"

#include "kernels/cpu/memory.h"
#include "kernels/float16.h"

namespace longhaul::kernels {
namespace {

constexpr std::size_t kBlockBytes = kI8Block * sizeof(float);

LH_INLINE std::int32_t max_magnitude_bits(const std::byte* in) {
  std::int32_t most = 0;  // signed: baseline SSE2 compares no unsigned integers
  for (std::size_t i = 0; i < kI8Block; ++i) {
    const std::int32_t magnitude = load<std::int32_t>(in, i) & 0x7fffffff;
    most = magnitude > most ? magnitude : most;
  }
  return most;
}

LH_INLINE void encode_codes(const std::byte* in, float inverse, std::byte* codes) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < kI8Block; ++i) {
    const auto code = static_cast<std::int32_t>(__builtin_rintf(load<float>(in, i) * inverse));
    const std::int32_t low = code < -127 ? -127 : code;
    store<std::int8_t>(codes, i, static_cast<std::int8_t>(low > 127 ? 127 : low));
  }
}

LH_TARGET_CLONES bool i8_encode_blocks(const std::byte* in, std::size_t blocks, std::byte* scales, std::byte* codes) {
  const auto smallest = static_cast<std::int32_t>(bits_of(kI8SmallestMagnitude));
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::int32_t magnitude = max_magnitude_bits(in + block * kBlockBytes);
    if (magnitude >= static_cast<std::int32_t>(kInfBits)) return false;
    Bits16 scale = 0;
    float inverse = 0;  // makes every code of a vanishing block 0
    if (magnitude >= smallest) {
      scale = float_to_bf16_up(float_of(static_cast<Bits32>(magnitude)) * kI8ScalePerMagnitude);
      inverse = 1.0f / bf16_to_float(scale);
    }
    store<std::uint16_t>(scales, block, scale);
    encode_codes(in + block * kBlockBytes, inverse, codes + block * kI8Block);
  }
  return true;
}

LH_INLINE void decode_codes(const std::byte* codes, float scale, std::size_t count, std::byte* sum) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    store<float>(sum, i, canonical(static_cast<float>(load<std::int8_t>(codes, i)) * scale));
  }
}

LH_INLINE void add_codes(const std::byte* codes, float scale, std::size_t count, std::byte* sum) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(load<std::int8_t>(codes, i)) * scale;
    store<float>(sum, i, canonical(load<float>(sum, i) + value));
  }
}

LH_TARGET_CLONES void i8_decode_blocks(const std::byte* scales, const std::byte* codes, std::size_t count,
                                       std::byte* sum) {
  const std::size_t whole = count / kI8Block;
  for (std::size_t block = 0; block < whole; ++block) {
    const float scale = bf16_to_float(load<std::uint16_t>(scales, block));
    decode_codes(codes + block * kI8Block, scale, kI8Block, sum + block * kBlockBytes);
  }
  if (count % kI8Block == 0) return;
  const float scale = bf16_to_float(load<std::uint16_t>(scales, whole));
  decode_codes(codes + whole * kI8Block, scale, count % kI8Block, sum + whole * kBlockBytes);
}

LH_TARGET_CLONES void i8_add_blocks(const std::byte* scales, const std::byte* codes, std::size_t count,
                                    std::byte* sum) {
  const std::size_t whole = count / kI8Block;
  for (std::size_t block = 0; block < whole; ++block) {
    const float scale = bf16_to_float(load<std::uint16_t>(scales, block));
    add_codes(codes + block * kI8Block, scale, kI8Block, sum + block * kBlockBytes);
  }
  if (count % kI8Block == 0) return;
  const float scale = bf16_to_float(load<std::uint16_t>(scales, whole));
  add_codes(codes + whole * kI8Block, scale, count % kI8Block, sum + whole * kBlockBytes);
}

std::size_t blocks_of(std::size_t count) { return count / kI8Block + (count % kI8Block != 0 ? 1 : 0); }

}  // namespace

std::size_t i8_codes_at(std::size_t count) { return padded_to_16(2 * blocks_of(count)); }

std::size_t i8_bytes(std::size_t count) {
  if (count > kMostValues) return static_cast<std::size_t>(-1);
  return i8_codes_at(count) + kI8Block * blocks_of(count);
}

bool i8_encode(const float* in, std::size_t count, std::byte* out) {
  if (count == 0) return true;
  const auto* bytes = reinterpret_cast<const std::byte*>(in);
  const std::size_t whole = count / kI8Block;
  std::byte* codes = out + i8_codes_at(count);
  if (!i8_encode_blocks(bytes, whole, out, codes)) return false;
  if (count % kI8Block != 0) {
    std::byte tail[kBlockBytes] = {};
    std::memcpy(tail, bytes + whole * kBlockBytes, (count % kI8Block) * sizeof(float));
    if (!i8_encode_blocks(tail, 1, out + 2 * whole, codes + whole * kI8Block)) return false;
  }
  const std::size_t used = 2 * blocks_of(count);
  std::memset(out + used, 0, i8_codes_at(count) - used);
  return true;
}

void i8_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  auto* bytes = reinterpret_cast<std::byte*>(sum);
  const std::byte* codes = blob + i8_codes_at(count);
  if (first) {
    i8_decode_blocks(blob, codes, count, bytes);
  } else {
    i8_add_blocks(blob, codes, count, bytes);
  }
}

}  // namespace longhaul::kernels
