// SPDX-License-Identifier: Apache-2.0
// A block of a GPU's threads: what kernels/cuda/programs.h asks for; and how a list of kernels becomes kernels. For the device.cu of every codec.
#pragma once

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/programs.h"
#include "kernels/cuda/warp_device.cuh"

namespace longhaul::kernels::gpu {

class DeviceBlock {
 public:
  using Warp = DeviceWarp;
  template <typename T>
  struct Warps {
    T own;
    __device__ __forceinline__ T& operator[](Bits32) { return own; }
  };

  template <typename Step>
  __device__ __forceinline__ void each_warp(const Step& step) const {
    const Bits32 own = threadIdx.x / kLanes, warps = blockDim.x / kLanes;
    step(DeviceWarp(), own, Place{Bits64{blockIdx.x} * warps + own, Bits64{gridDim.x} * warps});
  }
  __device__ __forceinline__ void meet() const { __syncthreads(); }
  __device__ __forceinline__ float* room() const {
    __shared__ float values[kMostSources * kReadTile];
    return values;
  }
};

}  // namespace longhaul::kernels::gpu

// Names are those of the list, whatever the compiler: launches.cpp looks them up.
#define LH_KERNEL(name, ...)                                                                                    \
  extern "C" __global__ void __launch_bounds__(__VA_ARGS__::kMostThreads, __VA_ARGS__::kBlocks)                 \
      lh_##name(const __grid_constant__ __VA_ARGS__::Job job) {                                                 \
    __VA_ARGS__::run(DeviceBlock(), job);                                                                       \
  }
