// SPDX-License-Identifier: Apache-2.0
// Kernels around the sweeps (sweep.h), and their launches. For the device.cu of every codec; needs nvcc.
#pragma once

#include <cuda_runtime_api.h>

#include "kernels/cuda/make_jobs.h"
#include "kernels/cuda/sweep.h"
#include "kernels/cuda/warp_device.cuh"

namespace longhaul::kernels::gpu {

constexpr unsigned kThreads = 256;

inline cudaStream_t stream_of(void* stream) { return static_cast<cudaStream_t>(stream); }

/// So many blocks as the device holds of this kernel, since each warp can take several steps; fewer where there is less work.
template <typename Job>
Error blocks_for(void (*kernel)(Job), std::uint64_t steps, unsigned* blocks) {
  int device = 0, processors = 0, each = 0;
  if (const Error error = cudaGetDevice(&device)) return error;
  if (const Error error = cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device)) return error;
  if (const Error error = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&each, kernel, kThreads, 0)) return error;
  const std::uint64_t needed = steps_of(steps, kThreads / kLanes), most = static_cast<std::uint64_t>(each) * static_cast<unsigned>(processors);
  *blocks = static_cast<unsigned>(needed < most ? needed : most);
  return cudaSuccess;
}

/// Launches a kernel whose warps take `steps` steps together.
template <typename Job>
Error launch(void (*kernel)(Job), std::uint64_t steps, const Job& job, void* stream) {
  unsigned blocks = 0;
  if (const Error error = blocks_for(kernel, steps, &blocks)) return error;
  kernel<<<blocks, kThreads, 0, stream_of(stream)>>>(job);
  return cudaGetLastError();
}

__device__ __forceinline__ Place own_place() {
  constexpr unsigned kWarps = kThreads / kLanes;
  return {Bits64{blockIdx.x} * kWarps + threadIdx.x / kLanes, Bits64{gridDim.x} * kWarps};
}

/// Whether there is something to do at all.
__device__ __forceinline__ bool is_wanted(const EncodeJob& job) { return !job.only_if || *job.only_if != 0; }

template <typename C, typename T, bool kFeedback>
__global__ void __launch_bounds__(kThreads, C::kBlocks) encode_kernel(const __grid_constant__ EncodeJob job) {
  if (!is_wanted(job)) return;
  if (job.bytes && blockIdx.x == 0 && threadIdx.x == 0) *job.bytes = job.size;
  C::template encode<DeviceWarp, T, kFeedback>(DeviceWarp(), job, own_place());
}

template <typename C, typename T>
__global__ void __launch_bounds__(kThreads, C::kBlocks) combine_kernel(const __grid_constant__ CombineJob job) {
  C::template combine<DeviceWarp, T>(DeviceWarp(), job, own_place());
}

template <typename C, typename T>
Error launch_encode_as(const EncodeJob& job, void* stream) {
  return launch(job.residual ? encode_kernel<C, T, true> : encode_kernel<C, T, false>, C::steps(job.count), job, stream);
}

template <typename C>
Error launch_encode(const Encode& job, void* stream) {
  const EncodeJob to = kernel_job(job);
  if (job.type == lhFloat32) return launch_encode_as<C, Fp32>(to, stream);
  return job.type == lhBfloat16 ? launch_encode_as<C, Bf16>(to, stream) : launch_encode_as<C, Fp16>(to, stream);
}

template <typename C>
Error launch_combine(const Combine& job, void* stream) {
  const CombineJob to = kernel_job(job);
  if (job.type == lhFloat32) return launch(combine_kernel<C, Fp32>, C::steps(to.count), to, stream);
  return launch(job.type == lhBfloat16 ? combine_kernel<C, Bf16> : combine_kernel<C, Fp16>, C::steps(to.count), to, stream);
}

}  // namespace longhaul::kernels::gpu
