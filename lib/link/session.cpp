// SPDX-License-Identifier: Apache-2.0
// The data half of a session: transmissions, frames, acknowledgement, credit. Streams and liveness: session_streams.cpp.
#include "link/session.h"

#include <algorithm>

namespace longhaul::link {
namespace {

constexpr TimeNs kMinRetransmission = 300 * kMillisecond;
/// Sequence gaps beyond what fits a bitmap are told by a later acknowledgement.
constexpr std::size_t kBitmapBytes = 128;

}  // namespace

Session::Session(SessionOptions options)
    : options_(std::move(options)),
      window_(options_.window_frames),
      received_(options_.window_frames, options_.window_bytes),
      streams_(static_cast<std::size_t>(options_.streams)),
      peer_credit_(options_.window_bytes),
      credit_told_(options_.window_bytes) {}

void Session::consumed(std::uint64_t cost) {
  received_.consumed(cost);
  if (received_.credit() - credit_told_ >= options_.window_bytes / 4) ack_now_ = true;
}

std::optional<Delivery> Session::on_frame(int stream, ConstBytes header, ConstBytes payload, TimeNs now) {
  Stream& s = streams_[static_cast<std::size_t>(stream)];
  const auto decoded = wire::decode_frame(header, payload);
  if (!decoded || s.state != Stream::State::Up || decoded->frame.session_id != s.session_id) {
    ++counters_.dropped_frames;
    return std::nullopt;
  }
  const wire::Frame& frame = decoded->frame;
  counters_.bytes_received += header.size() + payload.size();
  s.heard = last_heard_ = now;
  peer_credit_ = std::max(peer_credit_, frame.credit);
  window_.acknowledge(frame.acknowledged, frame.type == wire::FrameType::Ack ? decoded->inline_payload : ConstBytes{});
  if (frame.type == wire::FrameType::Ping) s.pong_owed = frame.time;
  if (frame.type == wire::FrameType::Pong) note_pong(frame.time, now);
  if (frame.type != wire::FrameType::Data) return std::nullopt;

  ack_since_ = std::min(ack_since_, now);
  if (received_.accept(frame.sequence) != ReceiveWindow::Verdict::New) {
    ++counters_.dropped_frames;
    ack_now_ = true;  // the peer missed an acknowledgement
    return std::nullopt;
  }
  if (received_.has_gaps()) ack_now_ = true;
  return Delivery{.message = frame.message,
                  .inline_payload = decoded->inline_payload,
                  .sequence = frame.sequence,
                  .cost = payload.size() + decoded->inline_payload.size() + kFrameOverhead};
}

void Session::note_pong(std::uint64_t sent, TimeNs now) {
  const TimeNs sample = now - static_cast<TimeNs>(sent);
  if (sample < 0 || sample > 60 * kSecond) return;  // nonsense from the peer
  rtt_ = rtt_ == 0 ? sample : rtt_ + (sample - rtt_) / 8;
}

void Session::on_sent(int stream, std::uint64_t sequence, std::size_t bytes, TimeNs now) {
  Stream& s = streams_[static_cast<std::size_t>(stream)];
  s.queued_bytes -= std::min<std::uint64_t>(s.queued_bytes, bytes);
  note_left(sequence, now);
}

/// From here on the frame is waited for.
void Session::note_left(std::uint64_t sequence, TimeNs now) {
  window_.left(sequence, now);
  if (next_expiry_check_ == kNever) next_expiry_check_ = now + retransmission_timeout() / 4;
}

TimeNs Session::retransmission_timeout() const { return std::max(kMinRetransmission, 4 * rtt_); }

bool Session::ack_due(TimeNs now) const {
  return ack_now_ || (ack_since_ != kNever && now >= ack_since_ + kAckDelay);
}

bool Session::next_transmission(TimeNs now, Transmission* out) {
  return !failure_.ok() ? false : next_control(now, out) || next_data(now, out);
}

bool Session::next_control(TimeNs now, Transmission* out) {
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    Stream& s = streams_[i];
    if (s.state != Stream::State::Up) continue;
    wire::Frame frame;
    if (s.pong_owed) {
      frame.type = wire::FrameType::Pong;
      frame.time = *std::exchange(s.pong_owed, std::nullopt);
    } else if (now >= s.next_ping) {
      frame.type = wire::FrameType::Ping;
      frame.time = static_cast<std::uint64_t>(now);
      s.next_ping = now + kSecond / 2;
    } else if (ack_due(now)) {
      std::array<std::byte, kBitmapBytes> bitmap;
      const std::size_t size = received_.write_bitmap(bitmap);
      frame.type = wire::FrameType::Ack;
      ack_since_ = kNever;
      ack_now_ = false;
      finish(static_cast<int>(i), frame, ConstBytes(bitmap).first(size), {}, out);
      return true;
    } else {
      continue;
    }
    finish(static_cast<int>(i), frame, {}, {}, out);
    return true;
  }
  return false;
}

bool Session::next_data(TimeNs now, Transmission* out) {
  const int stream = pick_stream();
  if (stream < 0) return false;
  Record* record = window_.next(peer_credit_);
  if (!record) return false;
  Stream& s = streams_[static_cast<std::size_t>(stream)];
  wire::Frame frame;
  frame.type = wire::FrameType::Data;
  frame.sequence = record->sequence;
  frame.message = record->message;
  out->blob = record->blob;
  out->sequence = record->payload.empty() ? 0 : record->sequence;
  finish(stream, frame, record->inline_payload(), record->payload, out);
  s.queued_bytes += record->payload.size();
  const std::uint64_t sequence = record->sequence;
  window_.transmitted(record, stream, ++s.order);
  // A frame without payload is copied by the transport and counts as gone at once.
  if (out->sequence == 0) note_left(sequence, now);
  return true;
}

void Session::finish(int stream, const wire::Frame& frame, ConstBytes inline_payload, ConstBytes payload,
                     Transmission* out) {
  wire::Frame complete = frame;
  complete.session_id = streams_[static_cast<std::size_t>(stream)].session_id;
  complete.acknowledged = received_.cumulative();
  complete.credit = credit_told_ = received_.credit();
  out->stream = stream;
  if (frame.type != wire::FrameType::Data) {
    out->sequence = 0;
    out->blob = {};
  }
  out->payload = payload;
  wire::encode_frame(complete, inline_payload, payload, &out->header);
  counters_.bytes_sent += out->header.size + payload.size();
}

/// Pull-based striping: the stream with the least queued in its transport takes the next frame, so a fast one takes more; none
/// where all have enough. Two frames each keep a stream busy.
int Session::pick_stream() const {
  const std::uint64_t enough = std::max<std::uint64_t>(options_.window_bytes / streams_.size() / 2, 1);
  int best = -1;
  std::uint64_t least = enough;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i].state == Stream::State::Up && streams_[i].queued_bytes < least) {
      least = streams_[i].queued_bytes;
      best = static_cast<int>(i);
    }
  }
  return best;
}

}  // namespace longhaul::link
