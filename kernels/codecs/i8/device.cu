// SPDX-License-Identifier: Apache-2.0
// Codec i8 on a GPU: the kernels of warp.h.
#include "kernels/cuda/codecs.h"
#include "kernels/cuda/launch.cuh"

namespace longhaul::kernels::gpu {

const DeviceForm kI8Device{launch_encode<Plain<I8Warp>>, launch_combine<Plain<I8Warp>>};

}  // namespace longhaul::kernels::gpu
