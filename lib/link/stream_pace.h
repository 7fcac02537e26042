// SPDX-License-Identifier: Apache-2.0
// StreamPace: how fast one stream of a session delivers, to tell which stream would deliver the next frame first. Streams of one
// link can differ by two orders of magnitude for seconds: congestion control remembers a bad moment. Sans-IO.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace longhaul::link {

class StreamPace {
 public:
  void on_transmitted(std::uint64_t bytes, TimeNs now) {
    if (flight_ == 0) since_ = now;
    flight_ += bytes;
  }
  /// `delivered` of them have been acknowledged, `lost` are given up on this stream.
  void on_left(std::uint64_t delivered, std::uint64_t lost, TimeNs now) {
    flight_ -= delivered + lost < flight_ ? delivered + lost : flight_;
    if (delivered == 0) return;
    if (now - last_ > kMemory) bytes_ = time_ = 0;
    bytes_ = kKeep * bytes_ + static_cast<double>(delivered);
    time_ = kKeep * time_ + static_cast<double>(now - since_);
    since_ = last_ = now;
  }
  void reset() { *this = StreamPace(); }

  /// How long until a frame of this size would have been delivered, the round trip aside; small where nothing is known, so
  /// that every stream is tried.
  TimeNs expected(std::uint64_t frame, TimeNs now) const {
    const bool known = bytes_ > 0 && now - last_ <= kMemory;
    const double per_byte = known ? time_ / bytes_ : kUnknown;
    return static_cast<TimeNs>(per_byte * static_cast<double>(flight_ + frame));
  }

 private:
  static constexpr double kKeep = 0.8;          // of the past, per acknowledgement
  static constexpr double kUnknown = 0.8;       // ns a byte: 10 Gbit/s
  static constexpr TimeNs kMemory = kSecond;

  std::uint64_t flight_ = 0;
  TimeNs since_ = 0, last_ = 0;
  double bytes_ = 0, time_ = 0;
};

}  // namespace longhaul::link
