// SPDX-License-Identifier: Apache-2.0
// Codec bf16 on a GPU: the kernels of warp.h.
#include "kernels/cuda/block_device.cuh"

namespace longhaul::kernels::gpu {

LH_BF16_KERNELS(LH_KERNEL)

}  // namespace longhaul::kernels::gpu
