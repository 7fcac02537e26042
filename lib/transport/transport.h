// SPDX-License-Identifier: Apache-2.0
// Transport: moves frames between endpoints and tells its owner what happened. It knows nothing of reliability, identity or
// collectives; a frame may be lost with its endpoint (or at will, in sim). Implementations: ucx/, sim/, and shaped.h, which
// delays another transport's frames.
//
// Thread rule: one owner thread makes every call, construction and destruction included. Nothing blocks.
#pragma once

#include <poll.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"

namespace longhaul::transport {

/// Names one connection inside one Transport; never used again after it was closed.
using EndpointId = std::uint64_t;

constexpr std::size_t kMaxHeaderBytes = 256;

/// Where a transport listens. For sim the host is empty and the port is the node number.
struct Address {
  std::string host;  ///< IPv4 address or name
  std::uint16_t port = 0;
  std::vector<std::uint16_t> data_ports{};  ///< where it accepts data connections, where those are ports of their own
  bool operator==(const Address&) const = default;
};

/// A received payload in the transport's own memory, given back on destruction. Move-only; must die on the owner's thread
/// and before the transport.
class Inbound {
 public:
  using Release = void (*)(void* owner, void* token);

  Inbound() = default;
  /// `release` may be null: then the bytes are only valid during Events::on_receive.
  Inbound(ConstBytes bytes, Release release, void* owner, void* token)
      : bytes_(bytes), release_(release), owner_(owner), token_(token) {}
  Inbound(Inbound&& other) noexcept { swap(other); }
  Inbound& operator=(Inbound&& other) noexcept {
    swap(other);
    return *this;
  }
  Inbound(const Inbound&) = delete;  // one holder
  Inbound& operator=(const Inbound&) = delete;
  ~Inbound() {
    if (release_) release_(owner_, token_);
  }

  ConstBytes bytes() const { return bytes_; }

 private:
  void swap(Inbound& other) {
    std::swap(bytes_, other.bytes_);
    std::swap(release_, other.release_);
    std::swap(owner_, other.owner_);
    std::swap(token_, other.token_);
  }

  ConstBytes bytes_;
  Release release_ = nullptr;
  void* owner_ = nullptr;
  void* token_ = nullptr;
};

enum class CloseReason {
  Refused,  ///< the peer's machine answered that nobody listens there
  Reset,    ///< an established connection ended
  Failed,   ///< anything else: no route, resolution, resources
};

/// What a transport reports, only from inside Transport::poll.
class Events {
 public:
  virtual ~Events() = default;
  /// A stranger connected; frames may follow. The owner may close it at any time.
  virtual void on_accept(EndpointId endpoint) = 0;
  /// One whole frame. `header` is valid during the call; `payload` as long as it is kept.
  virtual void on_receive(EndpointId endpoint, ConstBytes header, Inbound payload) = 0;
  /// The memory of the post with this cookie is the owner's again. Says nothing about delivery; also sent for posts that
  /// failed or whose endpoint was closed.
  virtual void on_sent(EndpointId endpoint, std::uint64_t cookie) = 0;
  /// The endpoint is gone. Not reported for endpoints the owner closed.
  virtual void on_close(EndpointId endpoint, CloseReason reason, const std::string& text) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  /// Starts accepting; returns the address others dial. At most one call.
  virtual Result<Address> listen() = 0;
  /// Names somebody who may connect or be connected to, so that the transport knows its connections with it from others.
  virtual void add_peer(const Address& /*address*/) {}
  /// How much longer than at its best a packet's round trip to that peer's machine takes just now: the queue on the way, without what waits in this
  /// process. Where it is not known, or nothing is under way: nullopt.
  virtual std::optional<TimeNs> queueing(const Address& /*peer*/) const { return std::nullopt; }
  /// Starts connecting and returns at once; frames may be posted immediately. Failure arrives as on_close.
  virtual EndpointId connect(const Address& address) = 0;
  /// Queues one frame. `header` (at most kMaxHeaderBytes) is copied; `payload` must stay unchanged until on_sent(cookie).
  /// Frames of one endpoint arrive in order where the transport keeps order (ucx does). Posting to an endpoint that is
  /// gone is legal: on_sent follows at the next poll. `cookie` 0: the owner wants no on_sent; then payload must be empty.
  virtual void post(EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) = 0;
  /// Drops the endpoint at once; unsent frames may be lost. Their on_sent still comes, perhaps seconds later.
  virtual void close(EndpointId endpoint) = 0;
  /// Moves everything that can move and reports it; returns whether anything happened. Bounded work per call.
  virtual bool poll(Events& events, TimeNs now) = 0;
  /// Earliest time at which poll has something to do although no descriptor is readable; kNever: none.
  virtual TimeNs next_event() const { return kNever; }
  /// Appends the descriptors whose readability means "poll me".
  virtual void append_wait_fds(std::vector<pollfd>& fds) const = 0;
  /// Prepares to sleep on the descriptors. False: something happened meanwhile; poll again instead.
  virtual bool arm() = 0;
  /// Bytes of memory held for buffering, for the statistics.
  virtual std::size_t memory_bytes() const = 0;
};

}  // namespace longhaul::transport
