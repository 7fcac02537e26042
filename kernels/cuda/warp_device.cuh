// SPDX-License-Identifier: Apache-2.0
// A warp of a GPU: what kernels/cuda/warp.h asks for, by the instructions of the device. All 32 lanes run.
#pragma once

#include "kernels/cuda/warp.h"

namespace longhaul::kernels::gpu {

class DeviceWarp {
 public:
  template <typename T>
  struct Lanes {
    T own;
    __device__ __forceinline__ T& operator[](Bits32) { return own; }
    __device__ __forceinline__ const T& operator[](Bits32) const { return own; }
  };

  __device__ __forceinline__ DeviceWarp() : lane_(threadIdx.x % kLanes) {}

  template <typename Step>
  __device__ __forceinline__ void each(const Step& step) const {
    step(lane_);
  }
  template <typename T>
  __device__ __forceinline__ Lanes<T> exchanged(const Lanes<T>& lanes, Bits32 mask) const {
    return {__shfl_xor_sync(kAll, lanes.own, static_cast<int>(mask))};
  }
  template <typename T, Bits32 N>
  __device__ __forceinline__ Lanes<Values<T, N>> exchanged(const Lanes<Values<T, N>>& lanes, Bits32 mask) const {
    Lanes<Values<T, N>> other;
    LH_UNROLL
    for (Bits32 i = 0; i < N; ++i) other.own[i] = __shfl_xor_sync(kAll, lanes.own[i], static_cast<int>(mask));
    return other;
  }
  template <typename T>
  __device__ __forceinline__ T uniform(const Lanes<T>& lanes) const {
    return lanes.own;
  }
  __device__ __forceinline__ Bits32 max(const Lanes<Bits32>& lanes) const { return __reduce_max_sync(kAll, lanes.own); }
  __device__ __forceinline__ Bits32 ballot(const Lanes<bool>& lanes) const { return __ballot_sync(kAll, lanes.own); }
  template <typename T>
  __device__ __forceinline__ Lanes<T> at(const Lanes<T>& lanes, const Lanes<Bits32>& index) const {
    return {__shfl_sync(kAll, lanes.own, static_cast<int>(index.own))};
  }
  __device__ __forceinline__ void meet() const { __syncwarp(); }

  template <typename T>
  static __device__ __forceinline__ T load(const void* from) {
    return *static_cast<const T*>(from);
  }
  template <typename T>
  static __device__ __forceinline__ void store(void* to, const T& value) {
    *static_cast<T*>(to) = value;
  }
  static __device__ __forceinline__ void raise(Bits32* to, Bits32 value) { atomicMax(to, value); }
  static __device__ __forceinline__ void add(Bits32* to, Bits32 value) { atomicAdd(to, value); }
  static __device__ __forceinline__ void merge(Bits32* to, Bits32 value) { atomicOr(to, value); }

 private:
  static constexpr unsigned kAll = 0xffffffffu;
  Bits32 lane_;
};

}  // namespace longhaul::kernels::gpu
