// SPDX-License-Identifier: Apache-2.0
// Codec i8 on a GPU: the kernels of warp.h.
#include "kernels/cuda/block_device.cuh"

namespace longhaul::kernels::gpu {

LH_I8_KERNELS(LH_KERNEL)

}  // namespace longhaul::kernels::gpu
