// SPDX-License-Identifier: Apache-2.0
// Codec f4 on a GPU: the kernels of warp.h, and the pass before them that finds the largest value.
#include "kernels/cuda/codecs.h"
#include "kernels/cuda/launch.cuh"

namespace longhaul::kernels::gpu {
namespace {

template <typename T, bool kFeedback>
__global__ void __launch_bounds__(kThreads) largest_kernel(const __grid_constant__ EncodeJob job) {
  if (is_wanted(job)) find_largest<DeviceWarp, T, kFeedback>(DeviceWarp(), job, own_place());
}

template <typename T>
Error launch_largest(const EncodeJob& job, void* stream) {
  if (const Error error = cudaMemsetAsync(job.work, 0, sizeof(Bits32), stream_of(stream))) return error;
  return launch(job.residual ? largest_kernel<T, true> : largest_kernel<T, false>, Plain<F4Warp>::steps(job.count), job, stream);
}

Error encode_f4(const Encode& job, void* stream) {
  const EncodeJob to = kernel_job(job);
  const Error error = job.type == lhFloat32    ? launch_largest<Fp32>(to, stream)
                      : job.type == lhBfloat16 ? launch_largest<Bf16>(to, stream)
                                               : launch_largest<Fp16>(to, stream);
  return error ? error : launch_encode<Plain<F4Warp>>(job, stream);
}

}  // namespace

const DeviceForm kF4Device{encode_f4, launch_combine<Plain<F4Warp>>};

}  // namespace longhaul::kernels::gpu
