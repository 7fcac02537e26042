// SPDX-License-Identifier: Apache-2.0
// The data half of a session: transmissions, frames, acknowledgement, credit. Streams and liveness: session_streams.cpp.
#include "link/session.h"

#include <algorithm>
#include <cstdlib>

namespace longhaul::link {
namespace {

/// A copy on another stream may overtake one that TCP is still repairing; below this it is a busy machine that is late.
constexpr TimeNs kMinHedge = 20 * kMillisecond;
/// Copies may cost an eighth of what was sent, and this much before that counts.
constexpr std::uint64_t kFreeCopies = 4 << 20;
/// What a pace allows at once after a pause: an eighth of the round trip, which a queue on the way can hold.
constexpr TimeNs kShortestBurst = 2 * kMillisecond;
constexpr int kBurstsPerRtt = 8;
constexpr int kLooksPerRtt = 16;
/// Nearer peers need no pacing: TCP learns faster than we do.
constexpr TimeNs kNear = 2 * kMillisecond;
/// Often enough to see a queue come and go, seldom enough to cost nothing.
constexpr TimeNs kLook = 10 * kMillisecond;
/// Sequence gaps beyond what fits a bitmap are told by a later acknowledgement.
constexpr std::size_t kBitmapBytes = 128;
/// The window is judged once a round trip, but not more often than this.
constexpr TimeNs kShortestRound = kMillisecond;

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
  note_delivery(window_.acknowledge(frame.acknowledged, frame.type == wire::FrameType::Ack ? decoded->inline_payload : ConstBytes{}, now));
  meter_.on_delivered(window_.acknowledged_bytes(), now);
  if (window_.empty()) control_.on_idle();
  if (frame.type == wire::FrameType::Ping) s.pong_owed = frame.time;
  if (frame.type == wire::FrameType::Pong) note_pong(frame.time, now);
  if (frame.type != wire::FrameType::Data) return std::nullopt;

  if (now >= round_ends_) end_round(now);
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

void Session::end_round(TimeNs now) {
  received_.end_round(options_.most_window_bytes);
  round_ends_ = now + std::max(rtt_, kShortestRound);
}

void Session::note_pong(std::uint64_t sent, TimeNs now) {
  const std::uint64_t here = static_cast<std::uint64_t>(now), longest = static_cast<std::uint64_t>(60 * kSecond);
  if (sent > here || here - sent > longest) return;  // nonsense from the peer
  const auto sample = static_cast<TimeNs>(here - sent);
  if (rtt_ == 0) round_ends_ = now;
  rtt_ = rtt_ == 0 ? sample : rtt_ + (sample - rtt_) / 8;
  least_rtt_ = std::min(least_rtt_, sample);
}

void Session::on_sent(int stream, std::uint64_t sequence, std::size_t bytes, TimeNs now) {
  Stream& s = streams_[static_cast<std::size_t>(stream)];
  s.queued_bytes -= std::min<std::uint64_t>(s.queued_bytes, bytes);
  window_.left(sequence, now);
}

/// Smoothed mean and deviation as in RFC 6298.
void Session::note_delivery(TimeNs latency) {
  if (latency == kNever) return;
  if (delivery_ == 0) {
    delivery_ = latency;
    delivery_deviation_ = latency / 2;
    return;
  }
  delivery_deviation_ += (std::abs(latency - delivery_) - delivery_deviation_) / 4;
  delivery_ += (latency - delivery_) / 8;
}

/// TCP repairs one loss in a round trip and a bit, but a lost repair or a lost tail takes 200 ms and more. With another stream
/// at hand a copy is sent as soon as a frame is late by all that is known about this link. kNever: a copy could not overtake,
/// nothing is known yet, or copies have cost enough.
TimeNs Session::hedge_timeout() const {
  const bool affordable = window_.resent_bytes() <= kFreeCopies + counters_.bytes_sent / 8;
  if (!options_.hedge || streams_up() < 2 || delivery_ == 0 || !affordable) return kNever;
  return std::max(kMinHedge, delivery_ + std::max(4 * delivery_deviation_, rtt_));
}

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

void Session::link_measured(double bytes_per_second) {
  if (least_rtt_ == kNever || least_rtt_ < kNear) return;
  control_.start(bytes_per_second * options_.link_share);
  meter_.start(std::max(kShortestBurst, least_rtt_ / kLooksPerRtt));
}

void Session::path_is(std::optional<TimeNs> queue, TimeNs now) {
  next_look_ = now + kLook;
  if (queue) control_.on_queue(*queue, least_rtt_, now);
}

/// Bytes a second; 0: as fast as the streams take it.
double Session::pace() const {
  return options_.rate_limit > 0 ? static_cast<double>(options_.rate_limit) : control_.rate();
}

bool Session::held_back(TimeNs now) {
  held_by_rate_ = pace() > 0 && now < next_allowed_;
  if (held_by_rate_) control_.on_held();
  return held_by_rate_;
}

void Session::charge(const Record& record, TimeNs now) {
  if (pace() <= 0) return;
  const auto bytes = static_cast<double>(record.payload.size() + record.inline_size);
  const TimeNs burst = std::max(kShortestBurst, rtt_ / kBurstsPerRtt);
  next_allowed_ = std::max(next_allowed_, now - burst) + static_cast<TimeNs>(bytes * 1e9 / pace());
}

bool Session::next_data(TimeNs now, Transmission* out) {
  held_by_rate_ = false;
  Record* record = window_.next(peer_credit_);
  if (!record || held_back(now)) return false;
  const int stream = pick_stream(*record, now);
  if (stream < 0) return false;
  control_.on_busy(now);
  charge(*record, now);
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
  window_.transmitted(record, stream, ++s.order, now);
  // A frame without payload is copied by the transport and counts as gone at once.
  if (out->sequence == 0) window_.left(sequence, now);
  if (next_expiry_check_ == kNever) next_expiry_check_ = now + expiry_interval();
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

/// The stream with the least load (stream_load.h); none where that one has enough queued in its transport. A stalled stream, and
/// for a copy the one that has the original, only where there is no other.
int Session::pick_stream(const Record& record, TimeNs now) const {
  int best = -1;
  bool best_sound = false;
  double best_load = 0;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i].state != Stream::State::Up) continue;
    const int index = static_cast<int>(i);
    const bool sound = !window_.stalled(index, now) && (record.transmissions == 0 || index != record.stream);
    const double load = window_.load(index).with(record.cost(), std::max(delivery_, rtt_));
    if (best >= 0 && (best_sound != sound ? best_sound : best_load <= load)) continue;
    best = index;
    best_sound = sound;
    best_load = load;
  }
  if (best < 0 || streams_[static_cast<std::size_t>(best)].queued_bytes >= options_.stream_queue_bytes) return -1;
  return best;
}

}  // namespace longhaul::link
