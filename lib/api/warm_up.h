// SPDX-License-Identifier: Apache-2.0
// WarmUp: the all-reduces that end a bring-up. A cold TCP connection sends a few packets and waits a round trip, so the first
// calls of a job would crawl; and what a link carries is known only once it was full. So bring-up moves zeros over every link:
// in two rounds as fast as the connections go, then at a given pace, 1.6 times as fast each time, until a pace is not reached, and then
// in smaller steps. What was reached is the rate of the link. Faster than that at once would only overrun the queues on the way. Where a pace is not
// reached and yet nothing queues, losses hold the connections back: then they go as fast as they can, and are not paced to less than that.
// Sans-IO: decides, does not communicate.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace longhaul::api {

class WarmUp {
 public:
  /// `site_size`: of the largest site; its ranks share every link. `limit`: what the configuration allows every link to carry,
  /// bytes a second, equal at all ranks; then nothing is left to find out. 0: none.
  WarmUp(int site_size, double limit);

  /// What every link carries each way in the next round: the size of the all-reduce. 0: that is all.
  std::uint64_t bytes() const { return bytes_; }
  /// Bytes a second to pace every link to in the next round; 0: do not.
  double pace() const { return pace_; }

  /// The round is over. Equal at all ranks, so that all decide alike.
  struct Round {
    TimeNs took;            ///< the slowest rank's time
    TimeNs one_way;         ///< the distance, which that includes
    double delivered = 0;   ///< bytes a second that every link carried in the middle of the round; 0: not known
    bool empty_path = false;  ///< no link had a queue in this round, which all ranks saw
  };
  void next(const Round& round);

  /// Bytes a second that every link carries each way: the limit, or a little less than was reached, to be on the safe side;
  /// 0: not known.
  double rate() const { return limit_ > 0 ? limit_ : kSafe * rate_; }

 private:
  void next_free(const Round& round, double reached);
  void next_paced(const Round& round, double reached);
  void next_lossy(double reached);
  void pace_to(double factor, TimeNs one_way);
  static std::uint64_t bytes_at(double rate, TimeNs one_way);

  static constexpr double kSafe = 0.98;

  double limit_;
  std::uint64_t bytes_;
  int rounds_ = 0;
  double pace_ = 0;
  double factor_ = 0;  // of the pace over what was reached
  int missed_ = 0, confirmed_ = 0;
  int lossy_rounds_ = 0;
  double rate_ = 0;
};

}  // namespace longhaul::api
