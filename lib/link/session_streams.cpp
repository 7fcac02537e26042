// SPDX-License-Identifier: Apache-2.0
// The liveness half of a session: streams come and go, silence is noticed, a dead process is told from a cut link.
#include <algorithm>

#include "link/session.h"

namespace longhaul::link {
namespace {

constexpr TimeNs kFirstBackoff = 50 * kMillisecond;
constexpr TimeNs kMaxBackoff = kSecond;
/// UCX and TCP say nothing about a cut link for minutes; pings go out every half second.
constexpr TimeNs kStreamSilence = 3 * kSecond;
constexpr TimeNs kDialTimeout = 5 * kSecond;
/// A process is dead when its machine keeps answering "nobody listens" for this long, and this often.
constexpr TimeNs kRefusedLongEnough = kSecond;
constexpr int kRefusedOftenEnough = 3;
constexpr TimeNs kProbeAfter = 500 * kMillisecond;

}  // namespace

void Session::stream_up(int stream, std::uint64_t session_id, TimeNs now) {
  Stream& s = streams_[static_cast<std::size_t>(stream)];
  // The newest authenticated connection wins: the peer may have noticed a break that we have not.
  if (s.state == Stream::State::Up) window_.stream_lost(stream);
  if (s.was_up) ++counters_.reconnects;
  s.state = Stream::State::Up;
  s.was_up = true;
  s.session_id = session_id;
  s.queued_bytes = 0;
  s.backoff = 0;
  s.heard = last_heard_ = now;
  s.next_ping = now;
  s.pong_owed.reset();
  s.drop = false;
  disconnected_since_ = kNever;
  refused_since_ = kNever;
  refusals_ = 0;
  next_probe_ = kNever;
  last_trouble_.clear();
}

void Session::stream_down(int stream, bool refused, const std::string& why, TimeNs now) {
  Stream& s = streams_[static_cast<std::size_t>(stream)];
  if (s.state == Stream::State::Up) window_.stream_lost(stream);
  s.state = Stream::State::Down;
  s.queued_bytes = 0;
  s.drop = false;
  s.retry_at = now + s.backoff;
  s.backoff = std::clamp(s.backoff * 2, kFirstBackoff, kMaxBackoff);
  last_trouble_ = why;
  if (refused) note_refused(now);
  if (!connected()) note_disconnected(now);
}

void Session::note_disconnected(TimeNs now) {
  if (disconnected_since_ == kNever) disconnected_since_ = now;
  if (next_probe_ == kNever && !options_.dialer) next_probe_ = now + kProbeAfter;
}

void Session::probed(bool alive, TimeNs now) {
  if (!alive) return note_refused(now);
  refused_since_ = kNever;
  refusals_ = 0;
}

void Session::note_refused(TimeNs now) {
  if (refused_since_ == kNever) refused_since_ = now;
  ++refusals_;
}

int Session::streams_up() const {
  return static_cast<int>(std::count_if(streams_.begin(), streams_.end(), [](const Stream& s) { return s.state == Stream::State::Up; }));
}

bool Session::connected() const { return streams_up() > 0; }

void Session::on_time(TimeNs now) {
  if (now >= next_expiry_check_) {
    window_.expire(now, retransmission_timeout(), hedge_timeout());
    next_expiry_check_ = window_.in_flight() ? now + expiry_interval() : kNever;
  }
  check_liveness(now);
}

void Session::check_liveness(TimeNs now) {
  if (departed_ || !failure_.ok()) return;
  for (Stream& s : streams_) {
    if (s.state == Stream::State::Up && now - s.heard > kStreamSilence) s.drop = true;
    if (s.state == Stream::State::Dialing && now >= s.retry_at) s.drop = true;
  }
  if (connected()) return;
  note_disconnected(now);  // also before the first connection: a peer may die before it ever came
  if (refusals_ >= kRefusedOftenEnough && now - refused_since_ >= kRefusedLongEnough) {
    failure_ = error(lhRemoteError, "{} has ended: its connections broke and nobody listens at its address any more ({})",
                     options_.peer_name, last_trouble_);
  } else if (disconnected_since_ != kNever && now - disconnected_since_ >= options_.ride_through) {
    failure_ = error(lhSiteLost, "{} has been unreachable for {} s (wan.ride_through), last trouble: {}", options_.peer_name,
                     options_.ride_through / kSecond, last_trouble_);
  }
}

/// Two at least: a copy of a late frame needs another stream to go to.
int Session::wanted_streams() const {
  if (options_.rtt_per_stream == 0) return options_.streams;
  const TimeNs rtt = least_rtt_ == kNever ? 0 : least_rtt_;
  const TimeNs wanted = std::max<TimeNs>(2, (rtt + options_.rtt_per_stream / 2) / options_.rtt_per_stream);
  return static_cast<int>(std::min<TimeNs>(wanted, options_.streams));
}

std::optional<StreamAction> Session::next_action(TimeNs now) {
  if (!failure_.ok()) return std::nullopt;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    Stream& s = streams_[i];
    if (s.drop) {
      const bool silent = s.state == Stream::State::Up;
      stream_down(static_cast<int>(i), false, silent ? "nothing heard for 3 s" : "no answer to a connection attempt", now);
      return StreamAction{StreamAction::Kind::Drop, static_cast<int>(i)};
    }
    if (options_.dialer && !departed_ && static_cast<int>(i) < wanted_streams() && s.state == Stream::State::Down && now >= s.retry_at) {
      s.state = Stream::State::Dialing;
      s.retry_at = now + kDialTimeout;
      return StreamAction{StreamAction::Kind::Dial, static_cast<int>(i)};
    }
  }
  if (!options_.dialer && !departed_ && now >= next_probe_) {
    next_probe_ = now + kProbeAfter;
    return StreamAction{StreamAction::Kind::Probe, 0};
  }
  return std::nullopt;
}

TimeNs Session::next_event() const {
  if (!failure_.ok()) return kNever;
  TimeNs next = next_expiry_check_;
  for (const Stream& s : streams_)
    if (s.state == Stream::State::Up) next = std::min(next, s.next_ping);
  if (held_by_rate_) next = std::min(next, next_allowed_);
  if (ack_since_ != kNever && connected()) next = std::min(next, ack_since_ + kAckDelay);
  if (departed_) return next;
  for (std::size_t i = 0; i < streams_.size(); ++i) {
    const Stream& s = streams_[i];
    const bool to_dial = options_.dialer && s.state == Stream::State::Down && static_cast<int>(i) < wanted_streams();
    if (s.state == Stream::State::Up) next = std::min(next, s.heard + kStreamSilence + 1);
    if (s.state == Stream::State::Dialing || to_dial) next = std::min(next, s.retry_at);
  }
  if (!connected() && disconnected_since_ != kNever)
    next = std::min({next, next_probe_, disconnected_since_ + options_.ride_through});
  return next;
}

}  // namespace longhaul::link
