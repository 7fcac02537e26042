// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/staging.h"

#include <algorithm>

namespace longhaul::site {
namespace {

constexpr std::size_t kWordsOfSlot = 3;
constexpr std::size_t kLeastSlots = 2;

}  // namespace

Staging::Staging(device::Pinned pinned, device::Memory memory, device::Pinned words)
    : pinned_(std::move(pinned)), memory_(std::move(memory)), words_(std::move(words)) {}

Result<std::unique_ptr<Staging>> Staging::make(const std::shared_ptr<const device::Gpu>& gpu, std::size_t slot_bytes, std::size_t bytes,
                                               std::size_t most_slots) {
  const std::size_t slots = std::clamp(bytes / (2 * slot_bytes), kLeastSlots, most_slots);
  auto pinned = device::Pinned::make(gpu, slots * 2 * slot_bytes);
  if (!pinned.ok()) return pinned.take_status().with("wan.staging");
  auto memory = device::Memory::make(gpu, slots * slot_bytes);
  if (!memory.ok()) return memory.take_status().with("wan.staging");
  auto words = device::Pinned::make(gpu, slots * kWordsOfSlot * device::kWordSpacing);
  if (!words.ok()) return words.take_status();
  struct Made : Staging {
    Made(device::Pinned a, device::Memory b, device::Pinned c) : Staging(std::move(a), std::move(b), std::move(c)) {}
  };
  std::unique_ptr<Staging> staging = std::make_unique<Made>(std::move(*pinned), std::move(*memory), std::move(*words));
  staging->memory_bytes_ = slots * 3 * slot_bytes;
  staging->slot_bytes_ = slot_bytes;
  staging->slots_.resize(slots);
  const auto word = [&](std::size_t index) {
    return reinterpret_cast<std::uint32_t*>(staging->words_.get() + index * device::kWordSpacing);
  };
  for (std::size_t i = 0; i < slots; ++i) {
    Slot& slot = staging->slots_[i];
    slot.in = staging->pinned_.get() + 2 * i * slot_bytes;
    slot.out = slot.in + slot_bytes;
    slot.on_device = staging->memory_.get() + i * slot_bytes;
    slot.collected = word(kWordsOfSlot * i);
    slot.finished = word(kWordsOfSlot * i + 1);
    slot.distributed = word(kWordsOfSlot * i + 2);
    for (std::uint32_t* each : {slot.collected, slot.finished, slot.distributed}) device::reset_word(each);
    staging->free_.push_back(&slot);
  }
  return staging;
}

Slot* Staging::take() {
  if (free_.empty()) return nullptr;
  Slot* slot = free_.back();
  free_.pop_back();
  ++slot->turn;
  slot->issued = false;
  return slot;
}

void Staging::abandon() {
  pinned_.abandon();
  memory_.abandon();
  words_.abandon();
}

}  // namespace longhaul::site
