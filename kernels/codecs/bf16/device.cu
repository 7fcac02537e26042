// SPDX-License-Identifier: Apache-2.0
// Codec bf16 on a GPU: the kernels of warp.h.
#include "kernels/cuda/codecs.h"
#include "kernels/cuda/launch.cuh"

namespace longhaul::kernels::gpu {

const DeviceForm kBf16Device{launch_encode<Plain<Bf16Warp>>, launch_combine<Plain<Bf16Warp>>};

}  // namespace longhaul::kernels::gpu
