// SPDX-License-Identifier: Apache-2.0
#include "engine/feedback.h"

#include <xxhash.h>

#include <algorithm>

namespace longhaul::engine {
namespace {

// The saved form, little endian: header, then the residuals (bf16). docs/codecs.md.
constexpr std::uint32_t kMagic = 0x4645484c;  // "LHEF"
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 56;
constexpr std::size_t kChecksumAt = kHeaderBytes - 8;  // XXH3-64 of the header before it and of what follows it
constexpr std::uint64_t kBytesAValue = 4;              // now and next

std::uint64_t checksum(ConstBytes bytes) {
  const std::uint64_t head = XXH3_64bits(bytes.data(), kChecksumAt);
  return XXH3_64bits_withSeed(bytes.data() + kHeaderBytes, bytes.size() - kHeaderBytes, head);
}

}  // namespace

FeedbackLayout FeedbackLayout::of(const plan::Plan& plan) {
  FeedbackLayout layout{.count = plan.elements(),
                        .chunk_values = plan.chunk_bytes() / plan.element_bytes(),
                        .ranks = static_cast<std::uint32_t>(plan.group_size(plan.site())),
                        .rank = static_cast<std::uint32_t>(plan.group_rank())};
  const auto part = [&](std::uint64_t chunk) { return plan.part(plan.chunk(chunk), plan.site(), plan.group_rank()).count(); };
  const std::uint64_t chunks = plan.chunk_count();
  if (chunks == 0) return layout;
  layout.part_values = part(0);
  layout.values = (chunks - 1) * layout.part_values + part(chunks - 1);
  return layout;
}

bool FeedbackState::take_turn(const void* call) {
  const std::lock_guard lock(*mutex_);
  if (!turn_) turn_ = call;
  return turn_ == call;
}

void FeedbackState::end(const void* call, bool keep) {
  const std::lock_guard lock(*mutex_);
  --calls_;
  if (turn_ != call) return;  // nothing of it was encoded
  turn_ = nullptr;
  if (keep) std::swap(now_, next_);
}

Status Feedback::check_idle(std::uint64_t tag, const FeedbackState& state) const {
  if (state.calls_ == 0) return {};
  return error(lhInvalidUsage, "a call with tag {} is under way: wait for it before its error-feedback state is changed", tag);
}

Result<FeedbackState*> Feedback::make(std::uint64_t tag, const FeedbackLayout& layout) {
  const auto found = states_.find(tag);
  const std::uint64_t freed = found == states_.end() ? 0 : found->second->layout_.values * kBytesAValue;
  const std::uint64_t needed = layout.values * kBytesAValue;
  if (bytes_ - freed + needed > most_bytes_) {
    return error(lhInvalidArgument,
                 "error feedback of tag {} needs {} bytes, and {} of {} are in use: raise feedback_memory, or forget tags that are not used "
                 "any more (lhCommFeedbackReset)",
                 tag, needed, bytes_ - freed, most_bytes_);
  }
  auto state = std::make_unique<FeedbackState>();
  state->mutex_ = &mutex_;
  state->layout_ = layout;
  state->now_ = std::make_unique<std::uint16_t[]>(layout.values);
  state->next_ = std::make_unique<std::uint16_t[]>(layout.values);
  FeedbackState* made = state.get();
  states_[tag] = std::move(state);
  bytes_ = bytes_ - freed + needed;
  peak_ = std::max(peak_, bytes_);
  return made;
}

Result<FeedbackState*> Feedback::begin(std::uint64_t tag, const plan::Plan& plan) {
  const FeedbackLayout layout = FeedbackLayout::of(plan);
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(tag);
  FeedbackState* state = found == states_.end() ? nullptr : found->second.get();
  if (state && state->layout_ != layout) {
    if (Status idle = check_idle(tag, *state); !idle.ok()) return idle;
    if (state->imported_) {
      return error(lhInvalidArgument,
                   "the imported error-feedback state of tag {} is of {} elements in chunks of {}, rank {} of {}; this call has {} in chunks "
                   "of {}, rank {} of {}: call it as when the state was exported, or forget it (lhCommFeedbackReset)",
                   tag, state->layout_.count, state->layout_.chunk_values, state->layout_.rank, state->layout_.ranks, layout.count,
                   layout.chunk_values, layout.rank, layout.ranks);
    }
    state = nullptr;
  }
  if (!state) {
    auto made = make(tag, layout);
    if (!made.ok()) return made;
    state = *made;
  }
  state->imported_ = false;
  ++state->calls_;
  return state;
}

std::vector<std::uint64_t> Feedback::tags() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> tags;
  for (const auto& [tag, state] : states_) tags.push_back(tag);
  return tags;
}

Result<std::size_t> Feedback::saved_bytes(std::uint64_t tag) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(tag);
  if (found == states_.end()) return error(lhInvalidArgument, "tag {} has no error-feedback state at this rank: lhCommFeedbackTags tells which have", tag);
  return kHeaderBytes + static_cast<std::size_t>(found->second->layout_.values) * 2;
}

Status Feedback::save(std::uint64_t tag, Bytes out) const {
  const std::lock_guard lock(mutex_);
  const auto found = states_.find(tag);
  if (found == states_.end() || out.size() != kHeaderBytes + found->second->layout_.values * 2)
    return error(lhInvalidUsage, "the error-feedback state of tag {} changed while it was exported: export it again", tag);
  const FeedbackState& state = *found->second;
  const FeedbackLayout& layout = state.layout_;
  ByteWriter writer(out);
  writer.u32(kMagic);
  writer.u32(kVersion);
  for (const std::uint64_t field : {layout.count, layout.chunk_values, layout.part_values, layout.values}) writer.u64(field);
  writer.u32(layout.ranks);
  writer.u32(layout.rank);
  writer.u64(0);
  for (std::uint64_t i = 0; i < layout.values; ++i) writer.u16(state.now_[i]);
  ByteWriter(out.subspan(kChecksumAt)).u64(checksum(out));
  return {};
}

Status Feedback::restore(std::uint64_t tag, ConstBytes bytes) {
  ByteReader reader(bytes);
  const std::uint32_t magic = reader.u32(), version = reader.u32();
  FeedbackLayout layout;
  for (std::uint64_t* field : {&layout.count, &layout.chunk_values, &layout.part_values, &layout.values}) *field = reader.u64();
  layout.ranks = reader.u32();
  layout.rank = reader.u32();
  const std::uint64_t sum = reader.u64();
  if (reader.failed() || magic != kMagic) return error(lhInvalidArgument, "the {} bytes are no exported error-feedback state", bytes.size());
  if (version != kVersion) return error(lhInvalidArgument, "the error-feedback state is of version {}, this library reads version {}", version, kVersion);
  if (layout.values != (bytes.size() - kHeaderBytes) / 2 || bytes.size() % 2 != 0 || sum != checksum(bytes))
    return error(lhInvalidArgument, "the error-feedback state of {} bytes is cut or damaged: its checksum differs", bytes.size());
  const std::lock_guard lock(mutex_);
  if (const auto found = states_.find(tag); found != states_.end())
    if (Status idle = check_idle(tag, *found->second); !idle.ok()) return idle;
  auto state = make(tag, layout);
  if (!state.ok()) return state.take_status();
  for (std::uint64_t i = 0; i < layout.values; ++i) (*state)->now_[i] = reader.u16();
  (*state)->imported_ = true;
  return {};
}

Status Feedback::reset(std::uint64_t tag) {
  const std::lock_guard lock(mutex_);
  for (const auto& [other, state] : states_)
    if (tag == 0 || other == tag)
      if (Status idle = check_idle(other, *state); !idle.ok()) return idle;
  for (auto at = states_.begin(); at != states_.end();) {
    if (tag != 0 && at->first != tag) {
      ++at;
      continue;
    }
    bytes_ -= at->second->layout_.values * kBytesAValue;
    at = states_.erase(at);
  }
  return {};
}

std::uint64_t Feedback::memory_bytes() const {
  const std::lock_guard lock(mutex_);
  return bytes_;
}

std::uint64_t Feedback::peak_bytes() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

}  // namespace longhaul::engine
