// SPDX-License-Identifier: Apache-2.0
// Rehearsal: one of every kind of NCCL call, made before the first call of a user. NCCL connects ranks and loads kernels when it needs them, and
// that may wait for everything on the GPU: also for a user's stream that already waits for its call.
#pragma once

#include "site/nccl/moves.h"
#include "site/nccl/staging.h"

namespace longhaul::site {

class Rehearsal {
 public:
  /// Of rank `rank` among `ranks`, in the memory of two slots of so many bytes.
  Rehearsal(int rank, int ranks, const Slot& first, const Slot& second, std::size_t slot_bytes);

  /// Makes the next call, on one of the two: done() tells when there is none. False: it failed, as moves.h says.
  bool next(NcclComm* collecting, const device::Stream& collecting_stream, NcclComm* distributing, const device::Stream& distributing_stream,
            Status* trouble);
  bool done() const { return call_ == kCalls; }
 private:
  static constexpr int kCalls = 5;
  DeviceTask task(bool equal, bool reduce);

  int rank_;
  std::vector<Range> equal_parts_, other_parts_, whole_;
  std::byte* memory_;
  std::byte* on_device_;
  int call_ = 0;
};

}  // namespace longhaul::site
