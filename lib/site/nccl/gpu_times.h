// SPDX-License-Identifier: Apache-2.0
// GpuTimes: from when to when was the GPU busy with which phase of a chunk? Events with time stamps around each phase,
// made once, one set a slot of the staging memory; read when the chunk is through, so nothing waits for them. Only
// where there is a trace: every event is one more call of the engine's thread, and one more thing in a stream.
//
// A GPU's clock is read as the time since an event whose own time on the host's clock is known: the anchor, recorded at
// bring-up and renewed as the floats of the driver lose their precision. The two clocks drift, so every chunk corrects
// the difference by what cannot be: work that begins before it was issued, or ends after the host saw its end.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "base/clock.h"
#include "device/owned.h"

namespace longhaul::site {

/// In the order in which a chunk goes through them: of an all-reduce, others have what does the same.
enum class GpuPhase : std::uint8_t { ReduceScatter, Encode, CopyOut, EncodeAgain, Decode, AllGather };
inline constexpr std::size_t kGpuPhases = 6;

/// Of the host's clock, steady_now(); both 0: the chunk has no such phase.
struct GpuSpan {
  TimeNs begin = 0, end = 0;
};
using GpuSpans = std::array<GpuSpan, kGpuPhases>;

class GpuTimes {
 public:
  /// `stream` is idle. The GPU's context is current, here and below.
  static Result<std::unique_ptr<GpuTimes>> make(const std::shared_ptr<const device::Gpu>& gpu,
                                                const device::Stream& stream, std::size_t slots);

  Status begin(std::size_t slot, GpuPhase phase, const device::Stream& stream);
  /// Does nothing where the phase has not begun.
  Status end(std::size_t slot, GpuPhase phase, const device::Stream& stream);
  /// Of a chunk that the GPU is through with; forgets them. `stream`: any, for a new anchor.
  GpuSpans take(std::size_t slot, const device::Stream& stream);

 private:
  struct Pair {
    device::Event begin, end;
    bool begun = false, ended = false;
  };
  struct Set {
    std::vector<Pair> pairs;  // by GpuPhase
    TimeNs issued = 0;        // the first of them, at the earliest
  };

  GpuTimes(device::Event anchor, device::Event next) : anchor_(std::move(anchor)), next_(std::move(next)) {}
  void correct(GpuSpans* spans, TimeNs issued, TimeNs seen);
  void renew_anchor(TimeNs age, const device::Stream& stream);

  device::Event anchor_, next_;
  TimeNs anchor_at_ = 0;
  bool renewing_ = false;
  std::vector<Set> sets_;
};

}  // namespace longhaul::site
