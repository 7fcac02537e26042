// SPDX-License-Identifier: Apache-2.0
// Staging: the memory between a GPU and the WAN, bounded and allocated once. A slot serves one chunk at a time: pinned memory for
// this rank's part on its way out of the GPU and for what comes back, GPU memory, and words by which the library's streams and the
// engine hand the slot to each other.
#pragma once

#include <span>
#include <vector>

#include "device/owned.h"
#include "device/words.h"
#include "site/nccl/coding.h"

namespace longhaul::site {

struct Slot {
  std::byte* in = nullptr;        ///< pinned: what was collected, or its blobs; later the blobs of other sites
  std::byte* out = nullptr;       ///< pinned, behind `in`: what is distributed
  std::byte* on_device = nullptr; ///< of the GPU
  std::uint32_t* collected = nullptr;    ///< written by the collecting stream: `in` is complete
  std::uint32_t* finished = nullptr;     ///< written by the host: `out` is complete at all ranks of the site
  std::uint32_t* distributed = nullptr;  ///< written by the distributing stream: the user's memory is complete
  std::uint32_t* coded = nullptr;        ///< written by the coding stream
  // Where kernels work; all but `control` of the GPU.
  std::byte* blobs = nullptr;     ///< this rank's own
  std::byte* arrivals = nullptr;  ///< those of other sites; before that the residuals that encoding leaves
  std::byte* work = nullptr;
  Control* device_control = nullptr;
  Control* control = nullptr;            ///< pinned
  std::uint32_t turn = 0;                ///< what the words are compared with: how often the slot was used
  std::uint32_t coding_turn = 0;         ///< what `coded` is compared with
  bool issued = false;                   ///< everything of this turn is in the streams

  const std::byte* collected_at = nullptr;  ///< of the GPU: this rank's part, reduced over the site
  std::byte* delivered_at = nullptr;        ///< of the GPU: where its finished part goes
  bool by_gpu = false;  ///< kernels encode and combine: what is collected is `encoding` done, and the result is at delivered_at
  Coding encoding, combining;
};

class Staging {
 public:
  /// As many slots as fit in `bytes` of pinned memory, at least two. `coding`: with memory for kernels. The GPU's context is current.
  static Result<std::unique_ptr<Staging>> make(const std::shared_ptr<const device::Gpu>& gpu, std::size_t slot_bytes, std::size_t bytes,
                                               std::size_t most_slots, bool coding);

  /// Null where all are in use.
  Slot* take();
  void give_back(Slot* slot) { free_.push_back(slot); }
  bool empty() const { return free_.empty(); }
  bool all_free() const { return free_.size() == slots_.size(); }
  std::span<Slot> slots() { return slots_; }
  std::size_t memory_bytes() const { return memory_bytes_; }
  std::size_t slot_bytes() const { return slot_bytes_; }
  /// Of Slot::blobs, which are larger than the values by headers at most; and of Slot::arrivals, as of `in` and `out` together.
  std::size_t blobs_bytes() const { return slot_bytes_ + kHeaders; }
  std::size_t arrivals_bytes() const { return 2 * slot_bytes_; }
  void abandon();

 private:
  static constexpr std::size_t kHeaders = 4096, kWork = 2048;
  Staging(device::Pinned pinned, device::Memory memory, device::Pinned words);

  device::Pinned pinned_;
  device::Memory memory_;
  device::Pinned words_;
  std::size_t memory_bytes_ = 0, slot_bytes_ = 0;
  std::vector<Slot> slots_;
  std::vector<Slot*> free_;
};

}  // namespace longhaul::site
