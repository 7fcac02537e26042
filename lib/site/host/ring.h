// SPDX-License-Identifier: Apache-2.0
// A single-producer single-consumer ring of fixed slots in memory that two processes (or threads) share. Each side
// keeps its own counter and limits in private memory; what it reads from the shared memory is treated as a stranger's
// word: a counter or a size that cannot be ends in Corrupt, never in an access outside the ring.
//
//   | head (producer's, own cache line) | tail (consumer's) | slot 0: header 64 bytes, payload | slot 1 ...
//
// All-zero memory is an empty ring. Every slot's payload is 64-byte aligned where the memory is.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/bytes.h"
#include "site/channel.h"

namespace longhaul::site {

constexpr std::size_t kCacheLine = 64;

struct RingShape {
  std::size_t slots = 0;
  std::size_t max_payload = 0;  ///< bytes
};

std::size_t ring_bytes(const RingShape& shape);

/// The first two cache lines of a ring.
struct RingCounters {
  alignas(kCacheLine) std::atomic<std::uint64_t> head;  ///< messages ever published
  alignas(kCacheLine) std::atomic<std::uint64_t> tail;  ///< messages ever consumed
};

/// In front of each payload. Named fields, no padding.
struct SlotHeader {
  alignas(kCacheLine) std::atomic<std::uint64_t> payload_bytes;
  std::uint64_t operation;
  std::uint64_t signature;
  std::uint64_t begin;
  std::uint32_t kind;
  std::uint32_t chunk;
  std::uint32_t codec;
  std::uint32_t reserved[5];
};

static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "counters shared by processes must be address-free");
static_assert(sizeof(RingCounters) == 2 * kCacheLine && sizeof(SlotHeader) == kCacheLine);

enum class RingState {
  Ok,
  Blocked,  ///< no slot free (producer), no message (consumer)
  Corrupt,  ///< the other side wrote what cannot be
};

/// The writing end. `memory` (64-byte aligned, at least ring_bytes) must outlive it.
class RingProducer {
 public:
  RingProducer(Bytes memory, const RingShape& shape);

  /// Copies a message in. payload must not exceed max_payload. Publishing is sequentially consistent, so that a
  /// following look at the consumer's "asleep" flag cannot overtake it.
  RingState push(const Message& message, ConstBytes payload);
  /// Sequentially consistent look for a free slot.
  bool has_room() const;

 private:
  RingCounters* counters_;
  std::byte* slots_;
  RingShape shape_;
  std::uint64_t head_ = 0;
  std::uint64_t known_tail_ = 0;
};

/// The reading end.
class RingConsumer {
 public:
  RingConsumer(Bytes memory, const RingShape& shape);

  /// Ok: *received is the oldest message; its payload stays in place until pop(). Validated once per message.
  RingState peek(Received* received);
  /// Gives the slot back. Only after peek() said Ok.
  void pop();
  /// Sequentially consistent look at the producer's counter (its word, unchecked).
  std::uint64_t published() const { return counters_->head.load(std::memory_order_seq_cst); }

 private:
  RingState load(Received* received);

  RingCounters* counters_;
  std::byte* slots_;
  RingShape shape_;
  std::uint64_t tail_ = 0;
  std::uint64_t known_head_ = 0;
  bool shown_ = false;
  Received current_;
};

}  // namespace longhaul::site
