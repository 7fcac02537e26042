// SPDX-License-Identifier: Apache-2.0
// Both ends of the shared ring. Counters are compared by unsigned subtraction: a distance above the number of slots, in
// either direction, is a lie.
#include "site/host/ring.h"

#include <cstring>

#include "base/check.h"

namespace longhaul::site {

namespace {

std::size_t slot_stride(const RingShape& shape) {
  return sizeof(SlotHeader) + (shape.max_payload + kCacheLine - 1) / kCacheLine * kCacheLine;
}

std::byte* slot_at(std::byte* slots, const RingShape& shape, std::uint64_t index) {
  return slots + static_cast<std::size_t>(index % shape.slots) * slot_stride(shape);
}

void check_memory(Bytes memory, const RingShape& shape) {
  LH_CHECK(shape.slots > 0 && memory.size() >= ring_bytes(shape));
  LH_CHECK(reinterpret_cast<std::uintptr_t>(memory.data()) % kCacheLine == 0);
}

}  // namespace

std::size_t ring_bytes(const RingShape& shape) { return sizeof(RingCounters) + shape.slots * slot_stride(shape); }

RingProducer::RingProducer(Bytes memory, const RingShape& shape)
    : counters_(reinterpret_cast<RingCounters*>(memory.data())),
      slots_(memory.data() + sizeof(RingCounters)),
      shape_(shape) {
  check_memory(memory, shape);
}

RingState RingProducer::push(const Message& message, ConstBytes payload) {
  LH_CHECK(payload.size() <= shape_.max_payload);
  if (head_ - known_tail_ >= shape_.slots) {
    known_tail_ = counters_->tail.load(std::memory_order_acquire);
    if (head_ - known_tail_ > shape_.slots) return RingState::Corrupt;
    if (head_ - known_tail_ == shape_.slots) return RingState::Blocked;
  }
  std::byte* slot = slot_at(slots_, shape_, head_);
  auto* header = reinterpret_cast<SlotHeader*>(slot);
  header->payload_bytes.store(payload.size(), std::memory_order_relaxed);
  header->operation = message.operation;
  header->signature = message.signature;
  header->begin = message.begin;
  header->kind = message.kind;
  header->chunk = message.chunk;
  header->codec = message.codec;
  if (!payload.empty()) std::memcpy(slot + sizeof(SlotHeader), payload.data(), payload.size());
  counters_->head.store(++head_, std::memory_order_seq_cst);
  return RingState::Ok;
}

bool RingProducer::has_room() const { return head_ - counters_->tail.load(std::memory_order_seq_cst) < shape_.slots; }

RingConsumer::RingConsumer(Bytes memory, const RingShape& shape)
    : counters_(reinterpret_cast<RingCounters*>(memory.data())),
      slots_(memory.data() + sizeof(RingCounters)),
      shape_(shape) {
  check_memory(memory, shape);
}

RingState RingConsumer::peek(Received* received) {
  if (!shown_) {
    if (const RingState state = load(&current_); state != RingState::Ok) return state;
    shown_ = true;
  }
  *received = current_;
  return RingState::Ok;
}

RingState RingConsumer::load(Received* received) {
  if (known_head_ == tail_) known_head_ = counters_->head.load(std::memory_order_acquire);
  if (known_head_ - tail_ > shape_.slots) return RingState::Corrupt;
  if (known_head_ == tail_) return RingState::Blocked;
  const std::byte* slot = slot_at(slots_, shape_, tail_);
  const auto* header = reinterpret_cast<const SlotHeader*>(slot);
  // An atomic load: the size that is checked is the size that is used, whatever the other side writes meanwhile.
  const std::uint64_t size = header->payload_bytes.load(std::memory_order_relaxed);
  if (size > shape_.max_payload) return RingState::Corrupt;
  received->message = {header->kind, header->chunk, header->operation, header->signature, header->begin, header->codec};
  received->payload = ConstBytes(slot + sizeof(SlotHeader), static_cast<std::size_t>(size));
  return RingState::Ok;
}

void RingConsumer::pop() {
  LH_CHECK(shown_);
  shown_ = false;
  counters_->tail.store(++tail_, std::memory_order_seq_cst);
}

}  // namespace longhaul::site
