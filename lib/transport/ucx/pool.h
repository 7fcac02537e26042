// SPDX-License-Identifier: Apache-2.0
// Free list of records with stable addresses: grows in blocks, never shrinks, so a warmed-up data path does not
// allocate.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/check.h"

namespace longhaul::transport {

template <typename T>
class Pool {
 public:
  T* take() {
    if (free_.empty()) grow();
    T* record = free_.back();
    free_.pop_back();
    return record;
  }
  void give(T* record) {
    LH_CHECK(free_.size() < total());
    free_.push_back(record);
  }
  std::size_t total() const { return blocks_.size() * kBlock; }
  std::size_t in_use() const { return total() - free_.size(); }
  std::size_t memory_bytes() const { return total() * (sizeof(T) + sizeof(T*)); }

 private:
  static constexpr std::size_t kBlock = 64;

  void grow() {
    blocks_.push_back(std::make_unique<T[]>(kBlock));
    free_.reserve(total());  // give() never allocates
    for (std::size_t i = kBlock; i-- > 0;) free_.push_back(&blocks_.back()[i]);
  }

  std::vector<std::unique_ptr<T[]>> blocks_;
  std::vector<T*> free_;
};

}  // namespace longhaul::transport
