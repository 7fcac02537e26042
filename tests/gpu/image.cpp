// SPDX-License-Identifier: Apache-2.0
// Linked into the tests in the place of the library's own images of kernels, which need nvcc: the double knows the kernels by their names.
#include "kernels/cuda/images.h"

namespace longhaul::kernels::gpu {

std::span<const Image> images() {
  static constexpr Image kImages[] = {{"bf16", "image"}, {"i8", "image"}, {"f4", "image"}, {"r4", "image"}, {"r2", "image"}, {"lossless", "image"}};
  return kImages;
}

}  // namespace longhaul::kernels::gpu
