// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/rehearsal.h"

namespace longhaul::site {

/// A chunk as large as a real one, because NCCL chooses its way by the size: fp32, once cut equally, once with a smaller last part.
Rehearsal::Rehearsal(int rank, int ranks, const Slot& first, const Slot& second, std::size_t slot_bytes)
    : rank_(rank), memory_(first.on_device), on_device_(second.on_device) {
  const auto n = static_cast<std::uint64_t>(ranks);
  const std::uint64_t each = slot_bytes / sizeof(float) / n;
  for (std::uint64_t i = 0; i < n; ++i) {
    equal_parts_.push_back({i * each, (i + 1) * each});
    other_parts_.push_back({i * each, (i + 1) * each - (i + 1 == n ? 1 : 0)});
    whole_.push_back({0, n * each});
  }
}

DeviceTask Rehearsal::task(bool equal, bool reduce) {
  const std::vector<Range>& parts = equal ? equal_parts_ : other_parts_;
  return {.task = {.message = {},
                   .type = lhFloat32,
                   .op = lhSum,
                   .reduce = reduce,
                   .parts = parts,
                   .contributions = reduce ? std::span<const Range>(whole_) : std::span<const Range>(equal_parts_),
                   .wants = whole_,
                   .send = reduce ? memory_ : memory_ + equal_parts_[static_cast<std::size_t>(rank_)].begin * sizeof(float)},
          .rank = rank_,
          .recv = memory_};
}

bool Rehearsal::next(NcclComm* collecting, const device::Stream& collecting_stream, NcclComm* distributing, const device::Stream& distributing_stream,
                     Status* trouble) {
  switch (call_++) {
    case 0:
      return collect(task(true, true), collecting, collecting_stream, on_device_, trouble);
    case 1:
      return collect(task(false, true), collecting, collecting_stream, on_device_, trouble);
    case 2:
      return collect(task(false, false), collecting, collecting_stream, on_device_, trouble);
    case 3:
      return distribute(task(true, true), distributing, distributing_stream, on_device_, trouble);
    default:
      return distribute(task(false, true), distributing, distributing_stream, on_device_, trouble);
  }
}

}  // namespace longhaul::site
