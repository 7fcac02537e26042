// SPDX-License-Identifier: Apache-2.0
#include "link/rate_control.h"

#include <algorithm>

namespace longhaul::link {
namespace {

/// Long enough that one look in it was not at a burst.
constexpr TimeNs kShortestRound = 100 * kMillisecond;
constexpr int kRoundTrips = 2;
/// After a pause the first packets find an empty queue whatever the rate; it shows a round trip later, and is heard of after two.
constexpr int kSettled = 2;
/// Half a round trip of queue is too much; up to a quarter of it, or what bursts and a busy machine take, there is room.
constexpr TimeNs kLeastExcess = 10 * kMillisecond;
constexpr TimeNs kLeastRoom = 4 * kMillisecond;
constexpr double kSlower = 0.97;
/// Back to what was measured in a second or two; beyond it only little by little, because a call may be over before it has
/// filled a queue, and one too high costs more than one too low.
constexpr double kFaster = 1.02;
constexpr double kBeyond = 1.01;
/// As long as no queue was ever seen, the link was measured on a bad day (losses, a busy machine).
constexpr double kSearch = 1.03;
/// What looks like a queue may be a slow machine: further down is left to the congestion control of the streams.
constexpr double kFloor = 0.5;

}  // namespace

void RateControl::start(double bytes_per_second) {
  rate_ = bytes_per_second;
  measured_ = bytes_per_second;
  most_ = std::numeric_limits<double>::infinity();
  held_ = queue_seen_ = room_seen_ = false;
  looked_ = 0;
  shortest_ = kNever;
}

void RateControl::on_queue(TimeNs queue, TimeNs rtt, TimeNs now) {
  if (!active() || busy_since_ == kNever || now - busy_since_ < kSettled * rtt) return;
  if (last_look_ != kNever) looked_ += now - last_look_;
  last_look_ = now;
  shortest_ = std::min(shortest_, queue);
  if (looked_ >= std::max(kShortestRound, kRoundTrips * rtt)) end_round(rtt);
}

void RateControl::end_round(TimeNs rtt) {
  const bool room = shortest_ < std::max(kLeastRoom, rtt / 4);
  queue_seen_ |= !room;
  room_seen_ |= room;
  if (shortest_ > std::max(kLeastExcess, rtt / 2))
    rate_ = std::max(kFloor * measured_, kSlower * rate_);
  else if (held_ && room)
    rate_ = rate_ < measured_ ? std::min(measured_, kFaster * rate_) : (queue_seen_ ? kBeyond : kSearch) * rate_;
  rate_ = std::min(rate_, most_);
  held_ = false;
  shortest_ = kNever;
  looked_ = 0;
}

void RateControl::at_most(double bytes_per_second) {
  most_ = bytes_per_second;
  rate_ = std::min(rate_, most_);
}

}  // namespace longhaul::link
