// SPDX-License-Identifier: Apache-2.0
// SessionChannel: an in-site Channel over a link session, for ranks of one site on different machines. A session delivers in
// any order (streams, resends); the channel's lanes are in order, so early messages wait here, bounded by the session's window.
#pragma once

#include <array>
#include <deque>
#include <map>

#include "link/session.h"
#include "site/channel.h"
#include "transport/transport.h"

namespace longhaul::engine {

class SessionChannel final : public site::Channel {
 public:
  /// `session` must outlive the channel.
  SessionChannel(link::Session* session, std::size_t max_payload);

  /// What the session delivered; takes the payload over.
  void deliver(const link::Delivery& delivery, transport::Inbound payload);

  bool send(site::Lane lane, const wire::Message& message, ConstBytes payload) override;
  std::optional<site::Received> peek(site::Lane lane) override;
  void pop(site::Lane lane) override;
  bool progress(TimeNs now) override;
  Status health() const override { return {}; }  // the engine watches the session itself
  bool flushed() const override { return session_->idle(); }
  void append_wait_fds(std::vector<pollfd>&) const override {}  // the transport's descriptors are enough
  bool arm() override { return true; }
  std::size_t memory_bytes() const override { return blobs_.memory_bytes(); }

 private:
  struct Waiting {
    wire::Message message;
    std::array<std::byte, wire::kMaxInlineBytes> inline_bytes;
    std::size_t inline_size = 0;
    transport::Inbound inbound;
    std::uint64_t cost = 0;
    ConstBytes bytes() const { return inline_size ? ConstBytes(inline_bytes).first(inline_size) : inbound.bytes(); }
  };

  link::Session* session_;
  link::BlobPool blobs_;
  std::uint64_t next_ = 1;                   // sequence number to be put on a lane next
  std::map<std::uint64_t, Waiting> early_;   // arrived before it
  std::array<std::deque<Waiting>, site::kLaneCount> lanes_;
};

}  // namespace longhaul::engine
