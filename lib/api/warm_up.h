// SPDX-License-Identifier: Apache-2.0
// WarmUp: the all-reduces that end a bring-up. A cold TCP connection sends a few packets and waits a round trip, so the first
// calls of a job would crawl; and what a link carries is known only once it was full. So bring-up moves zeros over every link:
// twice as fast as the connections go, then at a given pace, half as fast again each time, until a pace is not reached, and then
// in smaller steps. What was reached is the rate of the link. Faster than that at once would only overrun the queues on the way.
// Sans-IO: decides, does not communicate.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace longhaul::api {

class WarmUp {
 public:
  /// `site_size`: of the largest site; its ranks share every link.
  explicit WarmUp(int site_size);

  /// What every link carries each way in the next round: the size of the all-reduce.
  std::uint64_t bytes() const { return bytes_; }
  /// Bytes a second to pace every link to in the next round; 0: do not.
  double pace() const { return pace_; }

  /// What a round was like, equal at all ranks, so that all decide alike.
  struct Round {
    TimeNs took = 0;     ///< the slowest rank's time
    TimeNs one_way = 0;  ///< the distance, which that includes
    double limit = 0;    ///< wan.rate_limit in bytes a second: then nothing is left to find out; 0: none
  };
  /// The round is over. False: that was the last one.
  bool next(const Round& round);

  /// Bytes a second that the slowest link carried each way, a little less to be on the safe side; 0: not measured.
  double rate() const { return kSafe * rate_; }
  bool limited() const { return limited_; }

 private:
  bool next_free(const Round& round, double reached);
  bool next_paced(TimeNs one_way, double reached);
  bool pace_to(double factor, TimeNs one_way);
  bool size_for(TimeNs one_way);

  static constexpr double kSafe = 0.98;

  std::uint64_t bytes_;
  int rounds_ = 0;
  double pace_ = 0;
  double factor_ = 0;  // of the pace over what was reached
  bool limited_ = false;
  int missed_ = 0, confirmed_ = 0;
  double rate_ = 0;
};

}  // namespace longhaul::api
