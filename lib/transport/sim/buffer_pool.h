// SPDX-License-Identifier: Apache-2.0
// Memory of frames on their way to one simulated node. Buffers are reused by size class (four to the octave), so that
// nothing is allocated after warm-up; what is kept for reuse has a bound. Thread-safe: senders take, the receiver gives
// back.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "transport/transport.h"

namespace longhaul::transport {

/// Room for a header, then the payload.
struct Buffer {
  std::unique_ptr<std::byte[]> memory;
  std::size_t capacity = 0;
  std::size_t size_class = 0;

  std::byte* header() const { return memory.get(); }
  std::byte* payload() const { return memory.get() + kMaxHeaderBytes; }
};
using BufferPtr = std::unique_ptr<Buffer>;

class BufferPool {
 public:
  explicit BufferPool(std::size_t max_cached_bytes) : max_cached_bytes_(max_cached_bytes) {}

  BufferPtr take(std::size_t payload_bytes);
  void give_back(BufferPtr buffer);
  /// An Inbound over the first `bytes` of the payload that gives the buffer back at its end.
  Inbound lend(BufferPtr buffer, std::size_t bytes);

  /// In use and kept for reuse.
  std::size_t memory_bytes() const { return total_bytes_; }
  /// Buffers ever allocated, for tests.
  std::uint64_t allocations() const { return allocations_; }

 private:
  static constexpr std::size_t kClasses = 4 * 64;

  const std::size_t max_cached_bytes_;
  std::atomic<std::size_t> total_bytes_ = 0;
  std::atomic<std::uint64_t> allocations_ = 0;
  std::mutex mutex_;
  std::size_t cached_bytes_ = 0;                       // guarded by mutex_
  std::array<std::vector<BufferPtr>, kClasses> free_;  // guarded by mutex_
};

}  // namespace longhaul::transport
