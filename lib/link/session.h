// SPDX-License-Identifier: Apache-2.0
// Session: the reliable conversation of this rank with one other rank, over K replaceable streams. Sans-IO: frames and events
// come in, the owner pulls transmissions and actions out and does the I/O. It lives as long as the communicator: a stream that
// breaks is dialled again and everything it may have lost is sent again, so nothing is lost and nothing delivered twice.
//
//   stream   Down --Dial--> Dialing --stream_up--> Up --reset, silence--> Down
//   session  Open --departed()--> Departed (a goodbye: silence is fine now)
//                 --ride_through without a stream, or nobody listens any more--> Failed
//
// Credit. Every frame costs payload + kFrameOverhead. A receiver grants a running total: what it has consumed plus its window,
// so a peer that runs ahead is bounded in memory. Only first transmissions count.
#pragma once

#include <longhaul/longhaul.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "link/delivery_meter.h"
#include "link/rate_control.h"
#include "link/receive_window.h"
#include "link/send_window.h"

namespace longhaul::link {

/// A frame that left this long ago is lost where nothing else is known. A frame that is still queued is not.
constexpr TimeNs kMinRetransmission = 300 * kMillisecond;
/// An arrival is acknowledged at the latest this much later; completion never waits for it.
constexpr TimeNs kAckDelay = kMillisecond;

struct SessionOptions {
  std::string peer_name;  ///< for texts: "site atlanta rank 1 (10.0.2.1:47001)"
  bool dialer = false;    ///< this side opens the streams; the other only probes whether the process still lives
  int streams = 1;  ///< at most
  /// The dialling side opens a stream for every so much of the round trip, two at least: what one connection can have under way
  /// is bounded by its socket buffers, whatever the distance. 0: all streams at once.
  TimeNs rtt_per_stream = 0;
  std::size_t window_frames = 1024;
  std::uint64_t window_bytes = 16 << 20;  ///< what the peer may have under way to this rank, to begin with
  std::uint64_t most_window_bytes = 0;    ///< it grows up to this where the link needs more; 0: it stays
  /// What may wait in the transport for each stream. Little, so that a fast stream takes more of the frames and a stalled one
  /// holds few; but at least what a transport that gives posts back only on arrival (an emulated link) has under way.
  std::uint64_t stream_queue_bytes = 512 << 10;
  std::uint64_t rate_limit = 0;  ///< payload bytes a second; 0: none
  bool hedge = true;  ///< a late frame is sent again on another stream, before its connection gives it up
  double link_share = 1;         ///< what part of its link this session may expect
  TimeNs ride_through = 30 * kSecond;
};

struct SessionCounters {
  std::uint64_t bytes_sent = 0;      ///< headers and payloads handed to the transport
  std::uint64_t bytes_received = 0;  ///< of frames that were valid
  std::uint64_t reconnects = 0;
  std::uint64_t dropped_frames = 0;  ///< damaged, duplicate, of another session, out of window
};

/// One frame to post. `sequence` comes back through Session::on_sent; 0: no notice needed (there is no payload).
struct Transmission {
  int stream = 0;
  std::uint64_t sequence = 0;
  wire::EncodedHeader header;
  Blob blob;           ///< keep until the transport is done with `payload`
  ConstBytes payload;
};

struct StreamAction {
  enum class Kind { Dial, Drop, Probe } kind;
  int stream = 0;
};

/// A frame that is new and carries a message. The payload is the frame's own, or `inline_payload` where that is not empty.
struct Delivery {
  wire::Message message;
  ConstBytes inline_payload;
  std::uint64_t sequence = 0;
  std::uint64_t cost = 0;  ///< give it to consumed() once the payload is not needed any more
};

class Session {
 public:
  explicit Session(SessionOptions options);

  // -- what the owner wants to say
  bool can_send() const { return !window_.full(); }
  void send(const wire::Message& message, ConstBytes inline_payload) { window_.push(message, inline_payload, {}, {}); }
  void send(const wire::Message& message, Blob blob, ConstBytes payload) {
    window_.push(message, {}, std::move(blob), payload);
  }
  void consumed(std::uint64_t cost);
  /// The peer said goodbye: its silence is no failure any more, and it is not dialled again.
  void departed() { departed_ = true; }

  // -- what happened
  void stream_up(int stream, std::uint64_t session_id, TimeNs now);
  /// The stream is gone. `refused`: the peer's machine says that nobody listens there.
  void stream_down(int stream, bool refused, const std::string& why, TimeNs now);
  /// A probe's answer: the peer's process lives, or nobody listens.
  void probed(bool alive, TimeNs now);
  std::optional<Delivery> on_frame(int stream, ConstBytes header, ConstBytes payload, TimeNs now);
  void on_sent(int stream, std::uint64_t sequence, std::size_t bytes, TimeNs now);
  void on_time(TimeNs now);
  /// The whole link carries so much: pace to the session's share from now on. Nothing happens where the peer is near.
  void link_measured(double bytes_per_second);
  /// Others of this site can do with so much of the whole link: do not go faster than a fair share of that.
  void link_at_most(double bytes_per_second) { control_.at_most(bytes_per_second * options_.link_share); }

  /// Whether the owner should look at the path and tell path_is().
  bool watches_path(TimeNs now) const { return control_.active() && !window_.empty() && now >= next_look_; }
  /// So much longer than at its best a round trip takes just now, for the queue on the way; nullopt: the transport does not know.
  void path_is(std::optional<TimeNs> queue, TimeNs now);

  // -- what to do
  bool next_transmission(TimeNs now, Transmission* out);
  std::optional<StreamAction> next_action(TimeNs now);
  /// Earliest time at which on_time has something to do.
  TimeNs next_event() const;

  /// Bytes a second that the whole link carried since link_measured(), as far as this session can tell; 0: it cannot.
  double delivery_rate() const { return meter_.rate() / options_.link_share; }
  bool empty_path() const { return control_.empty_path(); }
  bool connected() const;  ///< at least one stream is up
  bool idle() const { return window_.empty(); }  ///< everything said has been acknowledged
  bool ack_pending() const { return ack_since_ != kNever || ack_now_; }
  const Status& failure() const { return failure_; }
  const SessionOptions& options() const { return options_; }
  const SessionCounters& counters() const { return counters_; }
  std::uint64_t resent_bytes() const { return window_.resent_bytes(); }
  std::uint64_t window_bytes() const { return received_.bytes(); }  ///< as granted to the peer now
  int streams_up() const;
  TimeNs rtt() const { return rtt_; }                ///< smoothed; 0 until measured
  /// Bytes a second that its link is believed to carry; 0: not known.
  double link_rate() const { return control_.rate() / options_.link_share; }
  TimeNs least_rtt() const { return least_rtt_ == kNever ? 0 : least_rtt_; }  ///< without queues; 0 until measured
  TimeNs last_heard() const { return last_heard_; }
  const std::string& last_trouble() const { return last_trouble_; }

 private:
  struct Stream {
    enum class State { Down, Dialing, Up } state = State::Down;
    std::uint64_t session_id = 0;
    std::uint64_t order = 0;        // frames transmitted on it so far
    std::uint64_t queued_bytes = 0;  // posted, not yet left
    TimeNs heard = 0;
    TimeNs retry_at = 0;
    TimeNs backoff = 0;
    TimeNs next_ping = 0;
    std::optional<std::uint64_t> pong_owed;
    bool was_up = false;
    bool drop = false;
  };

  bool next_control(TimeNs now, Transmission* out);
  bool next_data(TimeNs now, Transmission* out);
  int pick_stream(const Record& record, TimeNs now) const;
  void finish(int stream, const wire::Frame& frame, ConstBytes inline_payload, ConstBytes payload, Transmission* out);
  void note_pong(std::uint64_t sent, TimeNs now);
  void note_refused(TimeNs now);
  int wanted_streams() const;
  void note_disconnected(TimeNs now);
  void check_liveness(TimeNs now);
  void note_delivery(TimeNs latency);
  TimeNs retransmission_timeout() const { return std::max(kMinRetransmission, 4 * rtt_); }
  TimeNs hedge_timeout() const;
  TimeNs expiry_interval() const { return std::min(retransmission_timeout(), hedge_timeout()) / 4; }
  bool ack_due(TimeNs now) const;
  void end_round(TimeNs now);
  bool held_back(TimeNs now);
  void charge(const Record& record, TimeNs now);
  double pace() const;

  SessionOptions options_;
  SendWindow window_;
  ReceiveWindow received_;
  std::vector<Stream> streams_;
  SessionCounters counters_;
  Status failure_;
  std::string last_trouble_ = "never connected";
  bool departed_ = false;

  std::uint64_t peer_credit_;
  std::uint64_t credit_told_ = 0;
  TimeNs ack_since_ = kNever;  // oldest arrival not acknowledged yet
  bool ack_now_ = false;
  TimeNs next_expiry_check_ = kNever;
  TimeNs round_ends_ = kNever;
  TimeNs rtt_ = 0;
  TimeNs least_rtt_ = kNever;
  TimeNs delivery_ = 0, delivery_deviation_ = 0;  // of frames, from being posted to being acknowledged; smoothed, 0: unknown
  RateControl control_;
  DeliveryMeter meter_;
  TimeNs next_allowed_ = 0;  // by the pace
  bool held_by_rate_ = false;
  TimeNs next_look_ = 0;
  TimeNs last_heard_ = 0;
  TimeNs disconnected_since_ = kNever;
  TimeNs refused_since_ = kNever;
  int refusals_ = 0;
  TimeNs next_probe_ = kNever;
};

}  // namespace longhaul::link
