// SPDX-License-Identifier: Apache-2.0
// encode() and combine() of kernels/cuda/codec_device.h without a GPU: the kernels' source, run warp by warp on the CPU.
#pragma once

#include "kernels/cuda/codec_device.h"
#include "support/block_host.h"

namespace longhaul::test {

namespace gpu = kernels::gpu;

/// How the warps of a launch run: so many at most, in either order, their lanes in either order.
struct HostLaunch {
  std::uint64_t warps = 1;
  bool backwards = false;
};

/// False: the arguments make no sense.
inline bool encode_on_host(const gpu::Encode& encode, const HostLaunch& launch) {
  HostLauncher launcher(static_cast<Bits32>(launch.warps), launch.backwards);
  return gpu::encode(encode, &launcher) == gpu::kSuccess;
}

inline bool combine_on_host(const gpu::Combine& combine, const HostLaunch& launch) {
  HostLauncher launcher(static_cast<Bits32>(launch.warps), launch.backwards);
  return gpu::combine(combine, &launcher) == gpu::kSuccess;
}

}  // namespace longhaul::test
