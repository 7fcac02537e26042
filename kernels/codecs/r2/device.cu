// SPDX-License-Identifier: Apache-2.0
// Codec r2 on a GPU: the kernels of kernels/codecs/rotated with R2.
#include "kernels/cuda/codecs.h"
#include "kernels/cuda/launch.cuh"

namespace longhaul::kernels::gpu {

const DeviceForm kR2Device{launch_encode<Rotated<R2>>, launch_combine<Rotated<R2>>};

}  // namespace longhaul::kernels::gpu
