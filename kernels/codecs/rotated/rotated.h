// SPDX-License-Identifier: Apache-2.0
// Sizes of the blobs of r4 and r2: scales, then codes. Format: docs/codecs.md.
#pragma once

#include "kernels/codecs/codec.h"
#include "kernels/codecs/rotated/arithmetic.h"

namespace longhaul::kernels {

template <typename R>
constexpr std::size_t rotated_codes_at(std::size_t count) {
  return padded_to_16(2 * blocks_of(count, R::kBlock));
}
template <typename R>
constexpr std::size_t rotated_bytes(std::size_t count) {
  return rotated_codes_at<R>(count) + blocks_of(count, R::kBlock) * (R::kBlock * R::kBits / 8);
}

}  // namespace longhaul::kernels
