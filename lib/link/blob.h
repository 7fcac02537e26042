// SPDX-License-Identifier: Apache-2.0
// Blob: a counted reference to a send slot. An encoded part is written into a slot once and stays there until nobody needs it:
// the chunk that decodes its own contribution, every session that may have to send it again, every post in flight.
// Single-threaded (the engine's thread), so counts are plain integers.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"

namespace longhaul::link {

class BlobPool;

class Blob {
 public:
  Blob() = default;
  Blob(const Blob& other) : slot_(other.slot_) {
    if (slot_) ++slot_->references;
  }
  Blob(Blob&& other) noexcept : slot_(std::exchange(other.slot_, nullptr)) {}
  Blob& operator=(Blob other) noexcept {
    std::swap(slot_, other.slot_);
    return *this;
  }
  ~Blob() {
    if (slot_ && --slot_->references == 0) release(slot_);
  }

  explicit operator bool() const { return slot_ != nullptr; }
  Bytes memory() const { return slot_->memory; }

 private:
  friend class BlobPool;
  struct Slot {
    BlobPool* pool = nullptr;
    Bytes memory;
    int references = 0;
  };
  explicit Blob(Slot* slot) : slot_(slot) { slot_->references = 1; }
  static void release(Slot* slot);

  Slot* slot_ = nullptr;
};

/// A fixed number of equal slots, allocated once but untouched before their first use, 64-byte aligned. Must outlive its blobs.
class BlobPool {
 public:
  BlobPool(std::size_t slots, std::size_t slot_bytes);
  ~BlobPool();
  BlobPool(const BlobPool&) = delete;
  BlobPool& operator=(const BlobPool&) = delete;

  /// An empty Blob where all slots are in use.
  Blob acquire();
  std::size_t available() const { return free_.size(); }
  std::size_t slot_bytes() const { return slot_bytes_; }
  /// Of the slots used so far: the slot given back last is the next to be used, so the others were never touched.
  std::size_t memory_bytes() const { return most_used_ * slot_bytes_; }

 private:
  friend class Blob;
  std::size_t slot_bytes_;
  std::size_t most_used_ = 0;
  std::unique_ptr<std::byte[]> memory_;
  std::vector<Blob::Slot> slots_;
  std::vector<Blob::Slot*> free_;
};

inline void Blob::release(Slot* slot) { slot->pool->free_.push_back(slot); }

}  // namespace longhaul::link
