// SPDX-License-Identifier: Apache-2.0
// The specification of codec bf16: values of 2 bytes, little endian, padded with zeros to 16 bytes.
#include "kernels/codecs/bf16/bf16.h"
#include "kernels/float16.h"
#include "kernels/memory.h"

namespace longhaul::kernels {
namespace {

std::size_t encode(const float* in, std::size_t count, const Rotation&, std::byte* out) {
  for (std::size_t i = 0; i < bf16_bytes(count) / 2; ++i) store<Bits16>(out, i, i < count ? float_to_finite_bf16(load<float>(in, i)) : Bits16{0});
  return bf16_bytes(count);
}

void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
  for (std::size_t i = 0; i < count; ++i) {
    const float value = bf16_to_float(load<Bits16>(blob, i));
    store<float>(sum, i, first ? value : canonical(load<float>(sum, i) + value));
  }
}

}  // namespace

constinit const CodecForm kBf16Reference{encode, decode_add, nullptr};

}  // namespace longhaul::kernels
