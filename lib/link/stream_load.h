// SPDX-License-Identifier: Apache-2.0
// StreamLoad: what one stream of a session has under way and how long that takes, to tell which stream should get the next frame.
// The shortest queue, weighted by the stream's latency: streams that do equally well share equally, so all of them stay warm; one that is slow
// fills up, its frames come back late, and it gets less on both counts. Estimating the rate of each stream instead
// keeps cold those that have little to do, for they look slow (docs/decisions/0007-what-traces-showed.md). Sans-IO.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace longhaul::link {

class StreamLoad {
 public:
  void on_transmitted(std::uint64_t bytes) { flight_ += bytes; }
  /// So much is not under way on this stream any more, delivered or given up.
  void on_left(std::uint64_t bytes) { flight_ -= bytes < flight_ ? bytes : flight_; }
  /// A frame was acknowledged so long after it was posted.
  void on_delivery(TimeNs latency) { latency_ = latency_ == 0 ? latency : latency_ + (latency - latency_) / kSmoothing; }
  void reset() { *this = StreamLoad(); }

  /// Comparable between the streams of a session: the least gets the next frame. `usual`: latency to assume where none is known.
  double with(std::uint64_t frame, TimeNs usual) const {
    return static_cast<double>(flight_ + frame) * static_cast<double>(latency_ > 0 ? latency_ : usual);
  }

 private:
  static constexpr TimeNs kSmoothing = 8;

  std::uint64_t flight_ = 0;
  TimeNs latency_ = 0;
};

}  // namespace longhaul::link
