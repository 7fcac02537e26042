// SPDX-License-Identifier: Apache-2.0
// Codec r4 on a GPU: the kernels of kernels/codecs/rotated with R4.
#include "kernels/cuda/codecs.h"
#include "kernels/cuda/launch.cuh"

namespace longhaul::kernels::gpu {

const DeviceForm kR4Device{launch_encode<Rotated<R4>>, launch_combine<Rotated<R4>>};

}  // namespace longhaul::kernels::gpu
