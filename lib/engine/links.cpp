// SPDX-License-Identifier: Apache-2.0
// The data path of Links: poll, receive, post. Connections and handshakes: links_connect.cpp.
#include "engine/links.h"

#include <algorithm>

namespace longhaul::engine {

Links::Links(std::unique_ptr<transport::Transport> transport, security::Credentials credentials, int rank,
             std::uint64_t instance, const std::vector<LinkPeer>& peers, Identified identified)
    : transport_(std::move(transport)),
      credentials_(std::move(credentials)),
      rank_(rank),
      instance_(instance),
      identified_(std::move(identified)) {
  std::size_t posts = 64;
  for (const LinkPeer& about : peers) {
    const auto streams = static_cast<std::size_t>(about.session.streams);
    if (static_cast<std::size_t>(about.rank) >= index_of_rank_.size())
      index_of_rank_.resize(static_cast<std::size_t>(about.rank) + 1, -1);
    index_of_rank_[static_cast<std::size_t>(about.rank)] = static_cast<int>(peers_.size());
    ranks_.push_back(about.rank);
    transport_->add_peer(about.address);
    peers_.push_back({about, link::Session(about.session), std::vector<transport::EndpointId>(streams, 0)});
    posts += about.session.window_frames;
  }
  posts_.resize(posts);
  for (std::size_t i = posts; i-- > 0;) free_posts_.push_back(i);
}

Links::~Links() = default;

link::Session* Links::session(int rank) {
  const auto i = static_cast<std::size_t>(rank);
  if (i >= index_of_rank_.size() || index_of_rank_[i] < 0) return nullptr;
  return &peers_[static_cast<std::size_t>(index_of_rank_[i])].session;
}

bool Links::poll(LinkEvents& events, TimeNs now) {
  now_ = now;
  events_ = &events;
  bool moved = transport_->poll(*this, now);
  events_ = nullptr;
  expire_handshakes();
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    link::Session& session = peers_[i].session;
    session.on_time(now);
    if (session.watches_path(now)) session.path_is(transport_->queueing(peers_[i].about.address), now);
    while (auto action = session.next_action(now)) {
      act(i, *action);
      moved = true;
    }
  }
  return moved;
}

bool Links::flush(TimeNs now) {
  now_ = now;
  bool moved = false;
  link::Transmission transmission;
  for (std::size_t i = 0; i < peers_.size(); ++i) {
    while (!free_posts_.empty() && peers_[i].session.next_transmission(now, &transmission)) {
      post(i, transmission);
      moved = true;
    }
  }
  return moved;
}

void Links::post(std::size_t peer, const link::Transmission& transmission) {
  const transport::EndpointId id = peers_[peer].endpoints[static_cast<std::size_t>(transmission.stream)];
  if (transmission.sequence == 0) return transport_->post(id, transmission.header.view(), {}, 0);
  const std::size_t slot = free_posts_.back();
  free_posts_.pop_back();
  posts_[slot] = {.blob = transmission.blob,
                  .endpoint = id,
                  .peer = peer,
                  .stream = transmission.stream,
                  .sequence = transmission.sequence,
                  .bytes = transmission.payload.size()};
  transport_->post(id, transmission.header.view(), transmission.payload, slot + 1);
}

void Links::on_sent(transport::EndpointId, std::uint64_t cookie) {
  const auto slot = static_cast<std::size_t>(cookie - 1);
  LH_CHECK(slot < posts_.size());
  Post& post = posts_[slot];
  post.blob = {};
  free_posts_.push_back(slot);
  Peer& peer = peers_[post.peer];
  // A post on an endpoint that was replaced meanwhile says nothing about the stream's present one.
  if (peer.endpoints[static_cast<std::size_t>(post.stream)] == post.endpoint)
    peer.session.on_sent(post.stream, post.sequence, post.bytes, now_);
}

void Links::on_receive(transport::EndpointId id, ConstBytes header, transport::Inbound payload) {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return;
  Endpoint& endpoint = found->second;
  if (endpoint.handshake) {
    const auto message = undamaged(header);
    if (message && payload.bytes().empty()) return on_handshake(id, &endpoint, *message);
    ++dropped_;
    return;
  }
  if (endpoint.peer < 0 || endpoint.probe) return;
  Peer& peer = peers_[static_cast<std::size_t>(endpoint.peer)];
  const auto delivery = peer.session.on_frame(endpoint.stream, header, payload.bytes(), now_);
  if (delivery) events_->on_link_message(peer.about.rank, *delivery, std::move(payload));
}

TimeNs Links::next_event() const {
  TimeNs next = transport_->next_event();
  for (const Peer& peer : peers_) next = std::min(next, peer.session.next_event());
  if (strangers_ > 0)
    for (const auto& [id, endpoint] : endpoints_) next = std::min(next, endpoint.deadline);
  return next;
}

}  // namespace longhaul::engine
