// SPDX-License-Identifier: Apache-2.0
// Codec f4 on a GPU: the kernels of warp.h, and the pass before them that finds the largest value.
#include "kernels/cuda/block_device.cuh"

namespace longhaul::kernels::gpu {

LH_F4_KERNELS(LH_KERNEL)

}  // namespace longhaul::kernels::gpu
