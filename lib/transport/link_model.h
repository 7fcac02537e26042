// SPDX-License-Identifier: Apache-2.0
// LinkModel: one directed WAN link as seen by its sender: a FIFO that serialises frames at a rate, then a constant
// delay. Lost wire segments are sent again, which costs their bytes once more and one round trip of lateness. Pure
// arithmetic: no clock, no I/O, and the same calls with the same seed give the same times.
//
// Without loss a lone frame arrives exactly at the physical limit: bytes / (rate * kPayloadShare) + one-way delay.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

namespace longhaul::transport {

/// Payload bytes of a full TCP segment at MTU 1500 (with timestamps), the unit of loss.
constexpr std::uint64_t kSegmentBytes = 1448;
/// Share of the raw rate left for frame bytes at MTU 1500: 19/20, as a fraction so that times are exact.
constexpr std::uint64_t kPayloadShareNumerator = 19;
constexpr std::uint64_t kPayloadShareDenominator = 20;
/// A segment lost this often in a row gets through: a probability of 1 must not hang anybody.
constexpr int kMaxSegmentLosses = 16;

struct LinkParameters {
  TimeNs one_way_ns = 0;
  std::uint64_t rate_bits_per_s = 0;  ///< on the wire; 0: unlimited
  double loss = 0;                    ///< probability that one segment is lost and has to be sent again
  std::uint64_t seed = 1;
};

class LinkModel {
 public:
  /// What the link remembers of one in-order stream (one connection): nothing overtakes on it. Kept by the caller.
  struct Stream {
    TimeNs last_arrival = 0;
  };
  struct Passage {
    TimeNs departure = 0;  ///< the last byte has left the sender
    TimeNs arrival = 0;    ///< the whole frame is at the receiver
  };

  LinkModel() : LinkModel(LinkParameters{}) {}
  explicit LinkModel(const LinkParameters& parameters);

  /// Sends `frame_bytes` (header and payload) at `now`; calls are the order of the FIFO. A `now` before the end of an
  /// earlier frame waits for it; an idle link gathers no credit. 0 bytes (a signal) queue but cost nothing.
  Passage departure_then_arrival(TimeNs now, std::uint64_t frame_bytes, Stream& stream);

  /// When the link will have sent everything it was given so far.
  TimeNs busy_until() const { return busy_ns_ + (busy_rest_ > 0 ? 1 : 0); }
  std::uint64_t segments() const { return segments_; }
  std::uint64_t lost_segments() const { return lost_segments_; }
  const LinkParameters& parameters() const { return parameters_; }

 private:
  struct Losses {
    std::uint64_t bytes = 0;  // to be sent again
    int rounds = 0;           // round trips until the unluckiest segment is through
  };
  Losses draw_losses(std::uint64_t frame_bytes);
  void serialise(TimeNs now, std::uint64_t bytes);

  LinkParameters parameters_;
  Random random_;
  TimeNs busy_ns_ = 0;           // whole nanoseconds of the end of the queue ...
  std::uint64_t busy_rest_ = 0;  // ... and the rest in units of 1 ns / (19 * rate), so that a busy link never drifts
  std::uint64_t segments_ = 0;
  std::uint64_t lost_segments_ = 0;
};

}  // namespace longhaul::transport
