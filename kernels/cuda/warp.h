// SPDX-License-Identifier: Apache-2.0
// How is device code written here? As the program of one warp: 32 lanes that take every step together. A body is a template over the
// warp, so the same source runs on a GPU (warp_device.cuh) and in the unit tests on any CPU (tests/support/warp_host.h), where lanes are
// a loop. What a warp W offers:
//
//   W::Lanes<T>                     one T a lane; [lane] inside each()
//   each(step)                      step(lane) in every lane. A step reads and writes its own lane's things only.
//   exchanged(lanes, mask)          what lane ^ mask has
//   uniform(lanes)                  the value that all lanes have
//   max(lanes), ballot(lanes)       largest Bits32; bit i: lane i's bool
//   at(lanes, index)                in lane i: what lane index[i] has
//   W::load<T>(p), W::store(p, v)   memory at a multiple of sizeof(T)
//   W::raise, W::add, W::merge      atomic maximum, sum and bitwise or of a Bits32
//   meet()                          what lanes stored before, all lanes of the warp see
#pragma once

#include "kernels/shared.h"

#if defined(__CUDACC__)
#define LH_WARP __device__ __forceinline__
#define LH_UNROLL _Pragma("unroll")
#else
#define LH_WARP inline
#define LH_UNROLL
#endif

namespace longhaul::kernels::gpu {

constexpr Bits32 kLanes = 32;

/// N values that live in registers: every index is known when loops are unrolled.
template <typename T, Bits32 N>
struct alignas(sizeof(T) * N > 16 ? 16 : sizeof(T) * N) Values {
  static constexpr Bits32 kSize = N;
  T at[N];
  LH_SHARED T& operator[](Bits32 i) { return at[i]; }
  LH_SHARED const T& operator[](Bits32 i) const { return at[i]; }
};

LH_SHARED Bits32 larger(Bits32 a, Bits32 b) { return a > b ? a : b; }

/// In every lane the largest of the 2^k lanes around it.
template <typename W>
LH_WARP void spread_largest(const W& warp, typename W::template Lanes<Bits32>& largest, Bits32 lanes) {
  for (Bits32 mask = 1; mask < lanes; mask *= 2) {
    const auto other = warp.exchanged(largest, mask);
    warp.each([&](Bits32 lane) { largest[lane] = larger(largest[lane], other[lane]); });
  }
}

}  // namespace longhaul::kernels::gpu
