// SPDX-License-Identifier: Apache-2.0
// The specification of codecs r4 and r2. A scale per block (bf16, padded to 16 bytes), then all codes: 8 / kBits a byte, the first
// in the lowest bits; a code is the number of its level and, above that, the sign.
#pragma once

#include "kernels/codecs/rotated/rotated.h"
#include "kernels/memory.h"

namespace longhaul::kernels::rotated_reference {

/// Walsh-Hadamard in natural order; the order of the stages is part of the specification.
template <typename R>
void hadamard(float* w) {
  for (std::size_t h = 1; h < R::kBlock; h *= 2) {
    for (std::size_t i = 0; i < R::kBlock; ++i) {
      const float a = w[i], b = w[i ^ h];
      if ((i & h) == 0) w[i] = a + b, w[i ^ h] = a - b;
    }
  }
}

template <typename R>
Bits32 sign_of(const Rotation& rotation, std::size_t i) {
  const Philox signs = rotation_signs(rotation.key, rotation.operation, rotation.chunk, static_cast<Bits32>(i / 128));
  return signs.words[i / 32 % 4] >> (i % 32) << 31;
}

template <typename R>
float sum(const float* terms) {
  float lanes[kSumLanes] = {};
  for (std::size_t i = 0; i < R::kBlock; ++i) lanes[i % kSumLanes] += terms[i];
  for (std::size_t half = kSumLanes / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

/// False: too large. A block that vanishes leaves `scale` and `codes` 0.
template <typename R>
bool encode_block(const float* x, const Rotation& rotation, Bits16* scale, std::byte* codes) {
  float w[R::kBlock], square[R::kBlock], product[R::kBlock];
  Bits32 largest = 0;
  for (std::size_t i = 0; i < R::kBlock; ++i) largest = magnitude_of(x[i]) > largest ? magnitude_of(x[i]) : largest;
  if (largest >= kRotatedLimit) return false;
  if (largest < kRotatedSmallest) return true;
  for (std::size_t i = 0; i < R::kBlock; ++i) w[i] = float_of(bits_of(scaled_down(x[i], largest >> 23)) ^ sign_of<R>(rotation, i));
  hadamard<R>(w);
  for (std::size_t i = 0; i < R::kBlock; ++i) square[i] = twelve_bits(w[i]) * twelve_bits(w[i]);
  const float energy = sum<R>(square), inverse = rotated_inverse<R>(energy);
  for (std::size_t i = 0; i < R::kBlock; ++i) {
    Bits32 level = 0;
    for (const float threshold : R::kThreshold) level += twelve_bits(w[i]) * inverse > threshold ? 1u : 0u;
    const Bits32 code = level | bits_of(w[i]) >> 31 << (R::kBits - 1);
    codes[i * R::kBits / 8] |= static_cast<std::byte>(code << (i * R::kBits % 8));
    product[i] = twelve_bits(w[i]) * R::kLevel[level];
  }
  *scale = rotated_scale<R>(energy, sum<R>(product), largest >> 23);
  return true;
}

template <typename R>
std::size_t encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) {
  for (std::size_t i = 0; i < rotated_bytes<R>(count); ++i) out[i] = std::byte{0};
  for (std::size_t block = 0; block * R::kBlock < count; ++block) {
    float x[R::kBlock] = {};
    for (std::size_t i = 0; i < R::kBlock && block * R::kBlock + i < count; ++i) x[i] = load<float>(in, block * R::kBlock + i);
    Bits16 scale = 0;
    if (!encode_block<R>(x, rotation, &scale, out + rotated_codes_at<R>(count) + block * (R::kBlock * R::kBits / 8))) return kNone;
    store(out, block, scale);
  }
  return rotated_bytes<R>(count);
}

template <typename R>
void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < blocks_of(count, R::kBlock) * R::kBlock; ++i) {
    const Bits32 code = static_cast<Bits32>(load<Bits8>(blob + rotated_codes_at<R>(count), i * R::kBits / 8)) >> (i * R::kBits % 8);
    const float magnitude = R::kLevel[code % R::kLevels] * rotated_step(load<Bits16>(blob, i / R::kBlock));
    const float value = canonical(float_of(bits_of(magnitude) ^ (code / R::kLevels & 1) << 31));
    store<float>(sum, i, first ? value : canonical(load<float>(sum, i) + value));
  }
}

template <typename R>
void finish(float* sum, std::size_t count, const Rotation& rotation) {
  for (std::size_t begin = 0; begin < count; begin += R::kBlock) {
    float w[R::kBlock];
    for (std::size_t i = 0; i < R::kBlock; ++i) w[i] = load<float>(sum, begin + i);
    hadamard<R>(w);
    for (std::size_t i = 0; i < R::kBlock; ++i) {
      const float value = w[i] * (1.0f / static_cast<float>(1u << R::kHalfLog));
      store<float>(sum, begin + i, canonical(float_of(bits_of(value) ^ sign_of<R>(rotation, i))));
    }
  }
}

}  // namespace longhaul::kernels::rotated_reference
