// SPDX-License-Identifier: Apache-2.0
// RateControl: how fast a session hands data to its streams. Congestion control of the streams cannot do it: an all-reduce is
// over after a few round trips and a stream has seldom enough queued to count as busy, so BBR never leaves its start-up phase,
// sends at 2.9 times what the link carries, and a tenth of the data is lost in the queue and sent twice (measured:
// docs/decisions/0006-pacing.md). So the session paces what it gives to all its streams together: at its share of what the link
// was measured to carry, a little faster while packets find no queue on the way, a little slower when they do. Sans-IO.
#pragma once

#include <cstdint>
#include <limits>

#include "base/clock.h"

namespace longhaul::link {

class RateControl {
 public:
  /// Paces to this from now on. Before, nothing is held back.
  void start(double bytes_per_second);
  bool active() const { return rate_ > 0; }
  /// Since start() the path was looked at for a round or more, and never had a queue: what limits the frames is not the link.
  bool empty_path() const { return room_seen_ && !queue_seen_; }
  /// Bytes a second to send at now; 0: as fast as it goes.
  double rate() const { return rate_; }

  /// A look at the path while frames are under way: how long its queue is, and its round trip without.
  void on_queue(TimeNs queue, TimeNs rtt, TimeNs now);
  /// The first frame after a pause, and the pause: nothing is under way any more.
  void on_busy(TimeNs now) { busy_since_ = busy_since_ == kNever ? now : busy_since_; }
  void on_idle() { busy_since_ = last_look_ = kNever; }
  /// Others who share the link can do with so much: never faster than that.
  void at_most(double bytes_per_second);
  /// Something was held back by the rate: only then the rate is what decides.
  void on_held() { held_ = true; }

 private:
  void end_round(TimeNs rtt);

  double rate_ = 0, measured_ = 0;
  double most_ = std::numeric_limits<double>::infinity();
  bool held_ = false;
  bool queue_seen_ = false, room_seen_ = false;  // since start()
  TimeNs busy_since_ = kNever;
  TimeNs last_look_ = kNever;  // since the last pause
  TimeNs looked_ = 0;          // in this round, which may span pauses
  TimeNs shortest_ = kNever;   // queue of this round
};

}  // namespace longhaul::link
