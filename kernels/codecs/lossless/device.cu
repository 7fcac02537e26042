// SPDX-License-Identifier: Apache-2.0
// Codec lossless on a GPU: the kernels of warp_encode.h and warp_decode.h. The format has one chain of 32 states a blob, so one warp
// codes a blob: what it takes to keep up with a WAN, far from what memory could do.
#include "kernels/cuda/codecs.h"
#include "kernels/cuda/launch.cuh"

namespace longhaul::kernels::gpu {
namespace {

template <typename T>
__global__ void __launch_bounds__(kThreads) survey_kernel(const __grid_constant__ EncodeJob job) {
  if (is_wanted(job)) survey_all<DeviceWarp, T>(DeviceWarp(), job, own_place());
}

template <typename T>
__global__ void __launch_bounds__(kLanes) code_kernel(const __grid_constant__ EncodeJob job) {
  if (is_wanted(job)) lossless_code<DeviceWarp, T>(DeviceWarp(), job);
}

template <typename T>
__global__ void __launch_bounds__(kThreads) rest_kernel(const __grid_constant__ EncodeJob job) {
  if (is_wanted(job)) write_rest<DeviceWarp, T>(DeviceWarp(), job, own_place());
}

template <typename T>
__global__ void __launch_bounds__(kMostSources* kLanes) combine_kernel(const __grid_constant__ CombineJob job) {
  __shared__ float values[kMostSources * kReadTile];
  const DeviceWarp warp;
  const Bits32 own = threadIdx.x / kLanes;
  LosslessReader<DeviceWarp> reader;
  reader.open(warp, job.sources[own], job.count);
  for (Bits64 tile = 0; tile * kReadTile < job.count; ++tile) {
    reader.read(warp, tile, values + own * kReadTile);
    __syncthreads();
    add_tile<DeviceWarp, T>(warp, job, tile, values, own, static_cast<Bits32>(job.sites));
    __syncthreads();
  }
}

template <typename T>
Error encode_as(const EncodeJob& job, void* stream) {
  const Bits64 groups = steps_of(job.count, kGroup);
  if (const Error error = cudaMemsetAsync(job.work, 0, sizeof(LosslessWork), stream_of(stream))) return error;
  if (const Error error = launch(survey_kernel<T>, groups, job, stream)) return error;
  code_kernel<T><<<1, kLanes, 0, stream_of(stream)>>>(job);
  return launch(rest_kernel<T>, groups, job, stream);
}

Error encode_lossless(const Encode& job, void* stream) {
  const EncodeJob to = kernel_job(job);
  if (job.type == lhFloat32) return encode_as<Fp32>(to, stream);
  return job.type == lhBfloat16 ? encode_as<Bf16>(to, stream) : encode_as<Fp16>(to, stream);
}

Error combine_lossless(const Combine& job, void* stream) {
  const CombineJob to = kernel_job(job);
  const unsigned threads = static_cast<unsigned>(job.sites) * kLanes;
  if (job.type == lhFloat32)
    combine_kernel<Fp32><<<1, threads, 0, stream_of(stream)>>>(to);
  else if (job.type == lhBfloat16)
    combine_kernel<Bf16><<<1, threads, 0, stream_of(stream)>>>(to);
  else
    combine_kernel<Fp16><<<1, threads, 0, stream_of(stream)>>>(to);
  return cudaGetLastError();
}

}  // namespace

const DeviceForm kLosslessDevice{encode_lossless, combine_lossless};

}  // namespace longhaul::kernels::gpu
