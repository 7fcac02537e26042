// SPDX-License-Identifier: Apache-2.0
// Codec bf16 as the library runs it; the specification is kernels/reference/bf16.cpp.
#include "kernels/bf16.h"

#include <cstdint>

#include "kernels/cpu/memory.h"
#include "kernels/float16.h"

namespace longhaul::kernels {
namespace {

LH_TARGET_CLONES void bf16_encode_values(const std::byte* in, std::size_t count, std::byte* out) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) store<std::uint16_t>(out, i, float_to_finite_bf16(load<float>(in, i)));
}

LH_TARGET_CLONES void bf16_decode_values(const std::byte* blob, std::size_t count, std::byte* sum) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) store<float>(sum, i, bf16_to_float(load<std::uint16_t>(blob, i)));
}

LH_TARGET_CLONES void bf16_add_values(const std::byte* blob, std::size_t count, std::byte* sum) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    store<float>(sum, i, canonical(load<float>(sum, i) + bf16_to_float(load<std::uint16_t>(blob, i))));
  }
}

}  // namespace

std::size_t bf16_bytes(std::size_t count) {
  return count > kMostValues ? static_cast<std::size_t>(-1) : padded_to_16(2 * count);
}

void bf16_encode(const float* in, std::size_t count, std::byte* out) {
  if (count == 0) return;
  bf16_encode_values(reinterpret_cast<const std::byte*>(in), count, out);
  std::memset(out + 2 * count, 0, bf16_bytes(count) - 2 * count);
}

void bf16_decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  auto* bytes = reinterpret_cast<std::byte*>(sum);
  if (first) {
    bf16_decode_values(blob, count, bytes);
  } else {
    bf16_add_values(blob, count, bytes);
  }
}

}  // namespace longhaul::kernels
