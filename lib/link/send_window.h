// SPDX-License-Identifier: Apache-2.0
// SendWindow: what this rank said to one peer and is not yet known to have arrived. Sequence numbers from 1, one record each,
// in a ring of fixed size. Decides what to send next: first what was lost, then what is new and has credit. Sans-IO.
//
//   Waiting --transmitted--> InFlight --acknowledged--> Acknowledged (freed when it is the oldest)
//      ^                        |
//      +---- lost (stream gone, overtaken on its stream, timed out) ----+
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "link/blob.h"
#include "link/stream_load.h"
#include "wire/frame.h"

namespace longhaul::link {

/// What a frame counts against credit: its payload, and a little so that empty frames count too.
constexpr std::uint64_t kFrameOverhead = 256;

struct Record {
  enum class State : std::uint8_t { Waiting, InFlight, Acknowledged };

  State state = State::Waiting;
  std::uint64_t sequence = 0;
  std::uint64_t credit_end = 0;  ///< cumulative cost up to and including this frame
  wire::Message message;
  Blob blob;           ///< keeps `payload` alive; empty for inline payloads
  ConstBytes payload;  ///< inside the blob
  std::array<std::byte, wire::kMaxInlineBytes> inline_bytes;
  std::size_t inline_size = 0;
  int stream = -1;              ///< where it was sent last
  std::uint64_t order = 0;      ///< position among the frames of that stream
  TimeNs posted = 0;            ///< when it was given to the transport last
  TimeNs sent = kNever;         ///< when that post left this rank; kNever: still queued in the transport
  int transmissions = 0;

  ConstBytes inline_payload() const { return ConstBytes(inline_bytes).first(inline_size); }
  std::uint64_t cost() const { return payload.size() + inline_size + kFrameOverhead; }
};

class SendWindow {
 public:
  explicit SendWindow(std::size_t frames);

  bool full() const { return next_ - base_ == records_.size(); }
  bool empty() const { return next_ == base_; }
  /// Appends a frame; the window must not be full. Inline payloads are copied.
  void push(const wire::Message& message, ConstBytes inline_payload, Blob blob, ConstBytes payload);

  /// The frame to send next under the peer's `credit`, or null. Stays the same until transmitted().
  Record* next(std::uint64_t credit);
  void transmitted(Record* record, int stream, std::uint64_t order, TimeNs now);
  /// The transport let go of the post of this frame.
  void left(std::uint64_t sequence, TimeNs now);

  /// Acknowledges everything up to `cumulative` and the bits of `bitmap` (bit i = cumulative + 1 + i). Frames overtaken on
  /// their own stream by a few acknowledged ones become Waiting again. Total over any values a peer may send. Returns how long the slowest of those
  /// that were sent once took from being posted to being acknowledged; kNever: there were none.
  TimeNs acknowledge(std::uint64_t cumulative, ConstBytes bitmap, TimeNs now);
  /// Everything in flight on this stream is to be sent again.
  void stream_lost(int stream);
  /// Frames that left longer than `timeout` ago, or were posted longer than `hedge` ago (kNever: no matter), both doubled per
  /// transmission, are to be sent again, and their streams count as stalled for another `timeout`, or until something sent on them is acknowledged:
  /// for longer would be for ever, because nothing is sent on a stalled stream.
  void expire(TimeNs now, TimeNs timeout, TimeNs hedge);
  bool stalled(int stream, TimeNs now) const { return now < flows_[static_cast<std::size_t>(stream)].stalled_until; }
  const StreamLoad& load(int stream) const { return flows_[static_cast<std::size_t>(stream)].load; }

  std::uint64_t oldest() const { return base_; }
  bool in_flight() const { return base_ < next_new_; }
  std::uint64_t resent_bytes() const { return resent_bytes_; }
  std::uint64_t acknowledged_bytes() const { return acknowledged_bytes_; }  ///< of frames, each counted once

 private:
  Record& at(std::uint64_t sequence) { return records_[sequence % records_.size()]; }
  void mark_acknowledged(std::uint64_t sequence, TimeNs now);
  void mark_lost(Record* record);
  void find_overtaken();

  struct Flow {
    std::uint64_t acknowledged_order = 0;  // highest known to have arrived
    TimeNs stalled_until = 0;
    StreamLoad load;
  };
  Flow& flow_of(const Record& record) { return flows_[static_cast<std::size_t>(record.stream)]; }

  std::vector<Record> records_;
  std::vector<Flow> flows_;     // by stream
  TimeNs slowest_ = kNever;     // of the present acknowledge()
  std::uint64_t base_ = 1;      // oldest not acknowledged
  std::uint64_t next_ = 1;      // next sequence number to give out
  std::uint64_t next_new_ = 1;  // next that was never transmitted
  std::uint64_t credit_used_ = 0;
  std::size_t lost_ = 0;  // Waiting records below next_new_
  std::uint64_t resent_bytes_ = 0, acknowledged_bytes_ = 0;
};

}  // namespace longhaul::link
