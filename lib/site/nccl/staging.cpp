// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/staging.h"

#include <algorithm>

namespace longhaul::site {
namespace {

constexpr std::size_t kWordsOfSlot = 4;
constexpr std::size_t kLeastSlots = 2;
constexpr std::size_t kControl = 256;  ///< bytes
static_assert(sizeof(Control) <= kControl && kControl % device::kWordSpacing == 0);

}  // namespace

Staging::Staging(device::Pinned pinned, device::Memory memory, device::Pinned words)
    : pinned_(std::move(pinned)), memory_(std::move(memory)), words_(std::move(words)) {}

Result<std::unique_ptr<Staging>> Staging::make(const std::shared_ptr<const device::Gpu>& gpu, std::size_t slot_bytes, std::size_t bytes,
                                               std::size_t most_slots, bool coding) {
  static_assert(kernels::gpu::work_bytes(lhCodecLossless) <= kWork && kernels::gpu::work_bytes(lhCodecF4) <= kWork);
  const std::size_t slots = std::clamp(bytes / (2 * slot_bytes), kLeastSlots, most_slots);
  auto pinned = device::Pinned::make(gpu, slots * 2 * slot_bytes);
  if (!pinned.ok()) return pinned.take_status().with("wan.staging");
  const std::size_t device_bytes = slot_bytes + (coding ? slot_bytes + kHeaders + 2 * slot_bytes + kWork + kControl : 0);
  auto memory = device::Memory::make(gpu, slots * device_bytes);
  if (!memory.ok()) return memory.take_status().with("wan.staging");
  constexpr std::size_t kWords = kWordsOfSlot * device::kWordSpacing + kControl;
  auto words = device::Pinned::make(gpu, slots * kWords);
  if (!words.ok()) return words.take_status();
  struct Made : Staging {
    Made(device::Pinned a, device::Memory b, device::Pinned c) : Staging(std::move(a), std::move(b), std::move(c)) {}
  };
  std::unique_ptr<Staging> staging = std::make_unique<Made>(std::move(*pinned), std::move(*memory), std::move(*words));
  staging->memory_bytes_ = slots * (2 * slot_bytes + device_bytes);
  staging->slot_bytes_ = slot_bytes;
  staging->slots_.resize(slots);
  for (std::size_t i = 0; i < slots; ++i) {
    Slot& slot = staging->slots_[i];
    slot.in = staging->pinned_.get() + 2 * i * slot_bytes;
    slot.out = slot.in + slot_bytes;
    std::byte* words_of_slot = staging->words_.get() + i * kWords;
    for (std::uint32_t** each : {&slot.collected, &slot.finished, &slot.distributed, &slot.coded}) {
      *each = reinterpret_cast<std::uint32_t*>(words_of_slot);
      device::reset_word(*each);
      words_of_slot += device::kWordSpacing;
    }
    slot.control = std::construct_at(reinterpret_cast<Control*>(words_of_slot));
    slot.on_device = staging->memory_.get() + i * device_bytes;
    if (coding) {
      slot.blobs = slot.on_device + slot_bytes;
      slot.arrivals = slot.blobs + staging->blobs_bytes();
      slot.work = slot.arrivals + staging->arrivals_bytes();
      slot.device_control = reinterpret_cast<Control*>(slot.work + kWork);
    }
    staging->free_.push_back(&slot);
  }
  return staging;
}

Slot* Staging::take() {
  if (free_.empty()) return nullptr;
  Slot* slot = free_.back();
  free_.pop_back();
  ++slot->turn;
  slot->issued = slot->by_gpu = false;
  return slot;
}

void Staging::abandon() {
  pinned_.abandon();
  memory_.abandon();
  words_.abandon();
}

}  // namespace longhaul::site
