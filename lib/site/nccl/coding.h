// SPDX-License-Identifier: Apache-2.0
// Coding: what a GPU's kernels do for one chunk in one stream, and the copies around them. Filled by the engine, which knows calls and codecs;
// issued by NcclGroup, which knows streams.
#pragma once

#include <vector>

#include "device/codecs.h"

namespace longhaul::site {

/// A chunk has one piece more than other sites have cuts in this rank's part. What has more is coded on the CPU.
constexpr std::size_t kMostPieces = 16;

/// What encoding kernels tell the host: on the GPU, and in pinned memory.
struct Control {
  std::uint32_t refused = 0;
  std::uint32_t unused = 0;
  std::uint64_t bytes[kMostPieces] = {};  ///< of blobs whose size varies
};

struct Coding {
  struct Copy {
    void* to;
    const void* from;
    std::size_t bytes;
  };
  std::vector<Copy> before;
  std::vector<kernels::gpu::Encode> encodes;
  std::vector<kernels::gpu::Combine> combines;
  std::vector<Copy> after;

  void clear() {
    before.clear();
    encodes.clear();
    combines.clear();
    after.clear();
  }
  Status issue(const device::Codecs& codecs, const device::Stream& stream) const;
};

}  // namespace longhaul::site
