// SPDX-License-Identifier: Apache-2.0
// From the forms of all instruction sets to the one form that the library runs: the CPU is asked at the first call (Highway).
// What has no vectors (HWY_SCALAR) runs the reference.
#pragma once

#include "kernels/codecs/codec.h"

namespace longhaul::kernels {

template <const CodecForm* (*kForm)()>
struct Dispatched {
  static std::size_t encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) {
    return kForm()->encode(in, count, rotation, out);
  }
  static void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) { kForm()->decode_add(blob, count, first, sum); }
  static void finish(float* sum, std::size_t count, const Rotation& rotation) { kForm()->finish(sum, count, rotation); }

  static constexpr CodecForm kPlain{encode, decode_add, nullptr};
  static constexpr CodecForm kRotating{encode, decode_add, finish};
};

}  // namespace longhaul::kernels
