// SPDX-License-Identifier: Apache-2.0
// Compiles kernels/float16.h for the device: CUDA kernels are to share its arithmetic, bit for bit.
#include "kernels/float16.h"

namespace longhaul::kernels {

__global__ void convert_all(const float* in, float* out, int count) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < count) out[i] = bf16_to_float(float_to_bf16(in[i])) + fp16_to_float(float_to_fp16(in[i]));
}

}  // namespace longhaul::kernels
