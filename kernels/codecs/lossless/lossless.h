// SPDX-License-Identifier: Apache-2.0
// Codec lossless: exponents entropy-coded (interleaved rANS), sign and mantissa as they are; every bit of every value survives.
// Format: docs/codecs.md. The coder: Duda 2013; 32 states in [2^15, 2^31) that take turns, 16-bit words.
#pragma once

#include "kernels/codecs/codec.h"
#include "kernels/codecs/lossless/arithmetic.h"

namespace longhaul::kernels {

/// Where the parts of a coded blob begin: header, frequencies, states, then these.
struct LosslessLayout {
  std::size_t tops, lows, escapes, words, end;
};
constexpr std::size_t kLosslessFrequenciesAt = 16, kLosslessStatesAt = 48, kLosslessTopsAt = 176;

constexpr LosslessLayout lossless_layout(std::size_t count, std::size_t width, std::size_t escapes, std::size_t words) {
  const std::size_t lows = kLosslessTopsAt + padded_to_16(count);
  const std::size_t escapes_at = lows + (width == 4 ? padded_to_16(2 * count) : 0);
  const std::size_t words_at = escapes_at + padded_to_16(escapes);
  return {kLosslessTopsAt, lows, escapes_at, words_at, words_at + padded_to_16(2 * words)};
}
constexpr std::size_t lossless_raw_bytes(std::size_t count, std::size_t width) { return count == 0 ? 0 : 16 + padded_to_16(width * count); }
/// Worst case: as they are.
constexpr std::size_t lossless_most_bytes(std::size_t count) { return lossless_raw_bytes(count, 4); }

std::size_t lossless_blob(std::span<const std::byte> bytes, std::size_t count);

extern const CodecForm kLosslessSimd, kLosslessReference;
inline constexpr CodecKernels kLossless{1, fixed_bytes<lossless_most_bytes>, lossless_blob, &kLosslessSimd, &kLosslessReference};

}  // namespace longhaul::kernels
