// SPDX-License-Identifier: Apache-2.0
// The table of codec lossless in a warp: lane s has symbol s, frequency and start in one word.
#pragma once

#include "kernels/codecs/lossless/arithmetic.h"
#include "kernels/cuda/warp.h"

namespace longhaul::kernels::gpu {

LH_SHARED Bits32 frequency_of(Bits32 entry) { return entry >> 16; }
LH_SHARED Bits32 start_of(Bits32 entry) { return entry & 0xffffu; }

LH_SHARED Bits32 ones(Bits32 mask) {
#if defined(__CUDA_ARCH__)
  return static_cast<Bits32>(__popc(mask));
#else
  return static_cast<Bits32>(__builtin_popcount(mask));
#endif
}

template <typename W>
LH_WARP void pack_table(const W& warp, const LosslessTable& table, typename W::template Lanes<Bits32>& entries) {
  warp.each([&](Bits32 lane) {
    entries[lane] = 0;
    if (lane < kLosslessSymbols) entries[lane] = static_cast<Bits32>(table.frequency[lane]) << 16 | table.start[lane];
  });
}

}  // namespace longhaul::kernels::gpu
