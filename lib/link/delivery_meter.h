// SPDX-License-Identifier: Apache-2.0
// DeliveryMeter: how fast the frames of a short burst arrive in its middle. The time of the whole burst tells less: its start waits for connections
// to open, and its end for the repair of whatever was lost last, which over a long distance takes as long as the rest. Sans-IO.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"

namespace longhaul::link {

class DeliveryMeter {
 public:
  /// Forgets and begins a burst; before the first start() nothing is recorded. Looks `spacing` apart, 1024 at most: a burst is a few round trips.
  void start(TimeNs spacing);
  /// So many bytes have arrived since the session began.
  void on_delivered(std::uint64_t total_bytes, TimeNs now);
  /// Bytes a second between the time when 15 % of the burst so far had arrived and the time when 75 % had; 0: too little was seen.
  double rate() const;

 private:
  struct Look {
    TimeNs time;
    std::uint64_t bytes;
  };
  TimeNs time_of(double bytes) const;

  std::vector<Look> looks_;
  TimeNs spacing_ = kNever;
};

}  // namespace longhaul::link
