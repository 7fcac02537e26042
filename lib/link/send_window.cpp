// SPDX-License-Identifier: Apache-2.0
#include "link/send_window.h"

#include <algorithm>

namespace longhaul::link {
namespace {

constexpr int kMaxStreams = 64;
/// Frames of one stream arrive in order, so one that was overtaken is lost; a little slack for transports that reorder.
constexpr std::uint64_t kReorderSlack = 3;

}  // namespace

SendWindow::SendWindow(std::size_t frames) : records_(frames), flows_(kMaxStreams) {}

void SendWindow::push(const wire::Message& message, ConstBytes inline_payload, Blob blob, ConstBytes payload) {
  LH_CHECK(!full());
  LH_CHECK(inline_payload.size() <= wire::kMaxInlineBytes);
  Record& record = at(next_);
  record.state = Record::State::Waiting;
  record.sequence = next_++;
  record.message = message;
  record.blob = std::move(blob);
  record.payload = payload;
  record.inline_size = inline_payload.size();
  std::copy(inline_payload.begin(), inline_payload.end(), record.inline_bytes.begin());
  record.transmissions = 0;
  record.sent = kNever;
  credit_used_ += record.cost();
  record.credit_end = credit_used_;
}

Record* SendWindow::next(std::uint64_t credit) {
  for (std::uint64_t s = base_; lost_ > 0 && s < next_new_; ++s) {
    if (at(s).state == Record::State::Waiting) return &at(s);
  }
  if (next_new_ == next_ || at(next_new_).credit_end > credit) return nullptr;
  return &at(next_new_);
}

void SendWindow::transmitted(Record* record, int stream, std::uint64_t order, TimeNs now) {
  LH_CHECK(record->state == Record::State::Waiting);
  LH_CHECK(stream >= 0 && stream < kMaxStreams);
  if (record->transmissions++ == 0) {
    LH_CHECK(record->sequence == next_new_);
    ++next_new_;
  } else {
    --lost_;
    resent_bytes_ += record->payload.size() + record->inline_size;
  }
  record->state = Record::State::InFlight;
  record->stream = stream;
  record->order = order;
  flow_of(*record).load.on_transmitted(record->cost());
  record->posted = now;
  record->sent = kNever;
}

void SendWindow::left(std::uint64_t sequence, TimeNs now) {
  if (sequence < base_ || sequence >= next_new_) return;
  Record& record = at(sequence);
  if (record.state == Record::State::InFlight) record.sent = now;
}

void SendWindow::mark_acknowledged(std::uint64_t sequence, TimeNs now) {
  Record& record = at(sequence);
  if (record.state == Record::State::Acknowledged) return;
  if (record.state == Record::State::Waiting) --lost_;  // an earlier transmission had arrived after all
  if (record.state == Record::State::InFlight) flow_of(record).load.on_left(record.cost());
  record.state = Record::State::Acknowledged;
  acknowledged_bytes_ += record.cost();
  record.blob = {};
  flow_of(record).stalled_until = 0;
  if (record.transmissions == 1) {
    slowest_ = slowest_ == kNever ? now - record.posted : std::max(slowest_, now - record.posted);
    flow_of(record).load.on_delivery(now - record.posted);
  }
  std::uint64_t& highest = flow_of(record).acknowledged_order;
  highest = std::max(highest, record.order);
}

void SendWindow::mark_lost(Record* record) {
  record->state = Record::State::Waiting;
  flow_of(*record).load.on_left(record->cost());
  ++lost_;
}

TimeNs SendWindow::acknowledge(std::uint64_t cumulative, ConstBytes bitmap, TimeNs now) {
  slowest_ = kNever;
  // A peer that acknowledges what was never sent is damaged or hostile: believe nothing of it.
  if (cumulative >= next_new_) return slowest_;
  for (std::uint64_t s = base_; s <= cumulative; ++s) mark_acknowledged(s, now);
  bool gaps = false;
  for (std::size_t i = 0; i < bitmap.size() * 8; ++i) {
    const std::uint64_t s = cumulative + 1 + i;
    if (s >= next_new_) break;
    if (s < base_ || !(std::to_integer<unsigned>(bitmap[i / 8]) >> (i % 8) & 1)) continue;
    mark_acknowledged(s, now);
    gaps = true;
  }
  while (base_ < next_new_ && at(base_).state == Record::State::Acknowledged) ++base_;
  if (gaps) find_overtaken();
  return slowest_;
}

void SendWindow::find_overtaken() {
  for (std::uint64_t s = base_; s < next_new_; ++s) {
    Record& record = at(s);
    if (record.state != Record::State::InFlight) continue;
    if (record.order + kReorderSlack < flow_of(record).acknowledged_order) mark_lost(&record);
  }
}

void SendWindow::stream_lost(int stream) {
  for (std::uint64_t s = base_; s < next_new_; ++s) {
    Record& record = at(s);
    if (record.state == Record::State::InFlight && record.stream == stream) mark_lost(&record);
  }
  flows_[static_cast<std::size_t>(stream)].stalled_until = 0;
  flows_[static_cast<std::size_t>(stream)].load.reset();
}

void SendWindow::expire(TimeNs now, TimeNs timeout, TimeNs hedge) {
  for (std::uint64_t s = base_; s < next_new_; ++s) {
    Record& record = at(s);
    if (record.state != Record::State::InFlight) continue;
    const int doublings = std::min(record.transmissions - 1, 4);
    const bool late = record.sent != kNever && now - record.sent >= timeout << doublings;
    if (!late && (hedge == kNever || now - record.posted < hedge << doublings)) continue;
    flow_of(record).stalled_until = now + timeout;
    mark_lost(&record);
  }
}

}  // namespace longhaul::link
