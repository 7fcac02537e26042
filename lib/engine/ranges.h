// SPDX-License-Identifier: Apache-2.0
// StageRange: the stages of a chunk as NVTX ranges, for Nsight Systems and other tools: domain "longhaul", named as in the trace, the chunk's
// number as payload. NVTX itself looks for a tool (NVTX_INJECTION64_PATH); without one, and in a build without NVTX's headers, nobody
// asks for a range.
#pragma once

#include <cstdint>
#include <utility>

#include "engine/trace.h"

namespace longhaul::engine {

/// Whether a tool listens. Found out once in a process.
bool ranges_wanted();

/// The stage that a chunk is in, as a tool sees it: until the next is entered, or this object ends.
class StageRange {
 public:
  StageRange() = default;
  StageRange(StageRange&& other) noexcept : id_(std::exchange(other.id_, 0)) {}
  StageRange& operator=(StageRange&& other) noexcept {
    leave();
    id_ = std::exchange(other.id_, 0);
    return *this;
  }
  ~StageRange() { leave(); }

  /// The stage that ends with `mark`.
  void enter(Mark mark, std::uint64_t chunk);
  void leave();

 private:
  std::uint64_t id_ = 0;
};

}  // namespace longhaul::engine
