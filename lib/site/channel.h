// SPDX-License-Identifier: Apache-2.0
// Channel: the reliable, ordered, flow-controlled way from this rank to one other rank of the same site. Implementations:
// host/ (shared-memory rings, also inside one process), mpi/, and the engine's adapter over a link session (ranks of one
// site on different machines). A channel has three lanes, each first-in first-out and independent of the others, so that a
// message which cannot be consumed yet never blocks another kind.
//
// Thread rule: all calls on the engine's thread. Nothing blocks.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "wire/message.h"

namespace longhaul::site {

enum class Lane : std::uint8_t {
  Control,     ///< announcements, failures, goodbyes: payload up to kMaxControlBytes
  Collect,     ///< contributions on their way to the owner of a part
  Distribute,  ///< reduced parts on their way to everyone
};
constexpr int kLaneCount = 3;
constexpr std::size_t kMaxControlBytes = 1024;

using wire::Message;

/// The oldest unconsumed message of a lane; `payload` is valid until pop().
struct Received {
  Message message;
  ConstBytes payload;
};

class Channel {
 public:
  virtual ~Channel() = default;

  /// Copies the message and its payload. False: no room now, try again after the peer consumed something. The payload of a
  /// data lane may be up to the `max_payload` the channel was made with.
  virtual bool send(Lane lane, const Message& message, ConstBytes payload) = 0;
  /// The oldest message of the lane, if any. Repeated calls return the same one until pop().
  virtual std::optional<Received> peek(Lane lane) = 0;
  virtual void pop(Lane lane) = 0;

  /// Moves what needs moving (MPI requests, wake-up bytes); returns whether anything happened.
  virtual bool progress(TimeNs now) = 0;
  /// Not ok once the peer's process has ended; the text says how it was noticed. Messages that arrived before stay readable.
  virtual Status health() const = 0;
  /// True once everything sent was taken over by the peer's side of the channel (survives this process's end).
  virtual bool flushed() const = 0;

  virtual TimeNs next_event() const { return kNever; }
  virtual void append_wait_fds(std::vector<pollfd>& fds) const = 0;
  /// Asks the peer to wake us up from now on, for a new message or for room where send() returned false. False: one of them
  /// is there already. Messages that were there at the last progress() do not count: the owner has looked at them since and
  /// waits for something else, so an early message of the next call does not make it spin. Arm only after a step that began
  /// with progress() and found nothing to do.
  virtual bool arm() = 0;
  virtual std::size_t memory_bytes() const = 0;
};

}  // namespace longhaul::site
