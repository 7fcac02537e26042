// SPDX-License-Identifier: Apache-2.0
#include "transport/sim/buffer_pool.h"

#include <algorithm>
#include <bit>

namespace longhaul::transport {
namespace {

constexpr std::size_t kSmallest = 512;

struct SizeClass {
  std::size_t index;
  std::size_t bytes;
};

/// The smallest of 512, 640, 768, 896, 1024, 1280, ... that holds `bytes`.
SizeClass class_of(std::size_t bytes) {
  bytes = std::max(bytes, kSmallest);
  const auto octave = static_cast<std::size_t>(std::bit_width(bytes) - 1);
  const std::size_t step = std::size_t{1} << (octave - 2);
  const std::size_t quarters = (bytes + step - 1) / step;  // 4 .. 8 of them
  return {octave * 4 + quarters - 4, quarters * step};
}

}  // namespace

BufferPtr BufferPool::take(std::size_t payload_bytes) {
  const SizeClass wanted = class_of(kMaxHeaderBytes + payload_bytes);
  {
    const std::lock_guard lock(mutex_);
    std::vector<BufferPtr>& free = free_[wanted.index];
    if (!free.empty()) {
      BufferPtr buffer = std::move(free.back());
      free.pop_back();
      cached_bytes_ -= buffer->capacity;
      return buffer;
    }
  }
  auto buffer = std::make_unique<Buffer>();
  buffer->memory = std::make_unique_for_overwrite<std::byte[]>(wanted.bytes);
  buffer->capacity = wanted.bytes;
  buffer->size_class = wanted.index;
  total_bytes_ += wanted.bytes;
  ++allocations_;
  return buffer;
}

void BufferPool::give_back(BufferPtr buffer) {
  if (!buffer) return;
  const std::lock_guard lock(mutex_);
  if (cached_bytes_ + buffer->capacity > max_cached_bytes_) {
    total_bytes_ -= buffer->capacity;
    return;
  }
  cached_bytes_ += buffer->capacity;
  free_[buffer->size_class].push_back(std::move(buffer));
}

Inbound BufferPool::lend(BufferPtr buffer, std::size_t bytes) {
  const ConstBytes view(buffer->payload(), bytes);
  const auto release = [](void* owner, void* token) {
    static_cast<BufferPool*>(owner)->give_back(BufferPtr(static_cast<Buffer*>(token)));
  };
  return Inbound(view, release, this, buffer.release());
}

}  // namespace longhaul::transport
