// SPDX-License-Identifier: Apache-2.0
// Links: joins the sans-IO sessions to a Transport. Owns the endpoints: authenticates each before anything else is read from
// it, gives it to its session's stream, posts what sessions want to say and hands up what they deliver.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "link/session.h"
#include "security/handshake.h"
#include "transport/transport.h"

namespace longhaul::engine {

/// A rank reached through the transport.
struct LinkPeer {
  int rank = 0;
  std::uint64_t instance = 0;
  transport::Address address;
  link::SessionOptions session;
};

/// Who receives messages. Called inside Links::poll.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  /// `payload` holds the message's bytes unless `delivery.inline_payload` does (valid during the call only). The receiver
  /// tells the session consumed(delivery.cost) when it needs them no more.
  virtual void on_link_message(int rank, const link::Delivery& delivery, transport::Inbound payload) = 0;
};

class Links final : private transport::Events {
 public:
  /// Called for every endpoint that belongs to an authenticated stream (used to assign emulated links).
  using Identified = std::function<void(transport::EndpointId, int rank, int stream)>;

  Links(std::unique_ptr<transport::Transport> transport, security::Credentials credentials, int rank,
        std::uint64_t instance, const std::vector<LinkPeer>& peers, Identified identified);
  ~Links() override;

  /// The session with a peer, or null.
  link::Session* session(int rank);
  const std::vector<int>& peer_ranks() const { return ranks_; }

  /// Polls the transport, runs the sessions' clocks, carries out their actions. Returns whether anything happened.
  bool poll(LinkEvents& events, TimeNs now);
  /// Posts everything the sessions have to say now.
  bool flush(TimeNs now);

  TimeNs next_event() const;
  void append_wait_fds(std::vector<pollfd>& fds) const { transport_->append_wait_fds(fds); }
  bool arm() { return transport_->arm(); }
  std::size_t memory_bytes() const { return transport_->memory_bytes(); }
  /// Strangers' connections and frames.
  std::uint64_t dropped() const { return dropped_; }
  /// Set once a peer refused us for another secret or run id.
  const Status& refusal() const { return refusal_; }

 private:
  struct Endpoint {
    std::unique_ptr<security::Handshake> handshake;  // until it is Done
    TimeNs deadline = kNever;                        // of the handshake
    int peer = -1;                                   // index into peers_
    int stream = -1;
    bool dialed = false;
    bool probe = false;
  };
  struct Peer {
    LinkPeer about;
    link::Session session;
    std::vector<transport::EndpointId> endpoints;  // by stream; 0: none
  };
  struct Post {
    link::Blob blob;
    transport::EndpointId endpoint = 0;
    std::size_t peer = 0;
    int stream = 0;
    std::uint64_t sequence = 0;
    std::size_t bytes = 0;
  };

  void on_accept(transport::EndpointId id) override;
  void on_receive(transport::EndpointId id, ConstBytes header, transport::Inbound payload) override;
  void on_sent(transport::EndpointId id, std::uint64_t cookie) override;
  void on_close(transport::EndpointId id, transport::CloseReason reason, const std::string& text) override;

  static std::optional<ConstBytes> undamaged(ConstBytes frame);
  void on_handshake(transport::EndpointId id, Endpoint* endpoint, ConstBytes message);
  void authenticated(transport::EndpointId id, Endpoint* endpoint);
  void adopt(transport::EndpointId id, Endpoint* endpoint, int peer, int stream, std::uint64_t session_id);
  Status identify(ConstBytes context, int* peer, int* stream, bool* probe) const;
  void act(std::size_t peer, const link::StreamAction& action);
  void dial(std::size_t peer, int stream, bool probe);
  void detach(const Endpoint& endpoint, bool refused, const std::string& why);
  void drop(transport::EndpointId id);
  void expire_handshakes();
  void send_handshake(transport::EndpointId id, security::Handshake* handshake);
  void post(std::size_t peer, const link::Transmission& transmission);

  std::unique_ptr<transport::Transport> transport_;
  security::Credentials credentials_;
  int rank_;
  std::uint64_t instance_;
  Identified identified_;
  std::vector<Peer> peers_;
  std::vector<int> ranks_;
  std::vector<int> index_of_rank_;
  std::unordered_map<transport::EndpointId, Endpoint> endpoints_;
  std::size_t strangers_ = 0;  // endpoints that are not authenticated yet
  std::vector<Post> posts_;    // cookie - 1
  std::vector<std::size_t> free_posts_;
  LinkEvents* events_ = nullptr;  // during poll
  TimeNs now_ = 0;
  std::uint64_t dropped_ = 0;
  Status refusal_;
};

}  // namespace longhaul::engine
