// SPDX-License-Identifier: Apache-2.0
// Codec lossless on a GPU: the kernels of warp_encode.h and warp_decode.h. The format has one chain of 32 states a blob, so one warp
// codes a blob: what it takes to keep up with a WAN, far from what memory could do.
#include "kernels/cuda/block_device.cuh"

namespace longhaul::kernels::gpu {

LH_LOSSLESS_KERNELS(LH_KERNEL)

}  // namespace longhaul::kernels::gpu
