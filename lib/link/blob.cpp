// SPDX-License-Identifier: Apache-2.0
#include "link/blob.h"

#include <algorithm>
#include <cstdint>

namespace longhaul::link {

namespace {
constexpr std::size_t kAlignment = 64;
std::size_t round_up(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
}  // namespace

BlobPool::BlobPool(std::size_t slots, std::size_t slot_bytes)
    : slot_bytes_(round_up(slot_bytes)), memory_(new std::byte[slots * slot_bytes_ + kAlignment]), slots_(slots) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.get());
  std::byte* base = memory_.get() + (round_up(address) - address);
  free_.reserve(slots);
  for (std::size_t i = slots; i-- > 0;) {
    slots_[i].pool = this;
    slots_[i].memory = Bytes(base + i * slot_bytes_, slot_bytes_);
    free_.push_back(&slots_[i]);
  }
}

BlobPool::~BlobPool() { LH_CHECK(free_.size() == slots_.size()); }

Blob BlobPool::acquire() {
  if (free_.empty()) return {};
  Blob::Slot* slot = free_.back();
  free_.pop_back();
  most_used_ = std::max(most_used_, slots_.size() - free_.size());
  return Blob(slot);
}

}  // namespace longhaul::link
