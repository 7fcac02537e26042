// SPDX-License-Identifier: Apache-2.0
// Codec r4 on a GPU: the kernels of kernels/codecs/rotated with R4.
#include "kernels/cuda/block_device.cuh"

namespace longhaul::kernels::gpu {

LH_R4_KERNELS(LH_KERNEL)

}  // namespace longhaul::kernels::gpu
