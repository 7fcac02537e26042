// SPDX-License-Identifier: Apache-2.0
// The kernels as this build has them: what nvcc made of every kernels/codecs/*/device.cu, as data, for a driver to load. A build
// without nvcc has none (no_images.cpp) and encodes on the CPU.
#pragma once

#include <span>
#include <string_view>

namespace longhaul::kernels::gpu {

struct Image {
  std::string_view codec;  ///< kernels "lh_<codec>_..." are in it
  const void* data;        ///< a fat binary
};

std::span<const Image> images();

}  // namespace longhaul::kernels::gpu
