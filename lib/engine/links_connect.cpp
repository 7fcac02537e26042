// SPDX-License-Identifier: Apache-2.0
// How an endpoint becomes a stream of a session: dial or accept, handshake, identity check. A connection that does not prove
// the job secret within a few seconds is dropped and counted, and changes nothing else.
#include <xxhash.h>

#include <algorithm>

#include "base/log.h"
#include "engine/links.h"

namespace longhaul::engine {
namespace {

constexpr TimeNs kHandshakeTimeout = 5 * kSecond;
constexpr std::size_t kMaxStrangers = 64;
constexpr std::size_t kHandshakeChecksum = 8;  // XXH3-64 behind the message
constexpr std::uint8_t kPurposeStream = 3;  // 1 and 2 belong to the bootstrap
constexpr std::uint8_t kPurposeProbe = 4;

}  // namespace

void Links::act(std::size_t peer, const link::StreamAction& action) {
  switch (action.kind) {
    case link::StreamAction::Kind::Dial:
      return dial(peer, action.stream, false);
    case link::StreamAction::Kind::Probe:
      return dial(peer, 0, true);
    case link::StreamAction::Kind::Drop:
      for (const auto& [id, endpoint] : endpoints_) {
        if (endpoint.peer == static_cast<int>(peer) && endpoint.stream == action.stream && !endpoint.probe)
          return drop(id);
      }
  }
}

void Links::dial(std::size_t peer, int stream, bool probe) {
  Peer& target = peers_[peer];
  std::array<std::byte, security::kMaxContextBytes> context;
  ByteWriter writer(context);
  writer.u8(probe ? kPurposeProbe : kPurposeStream);
  writer.u32(static_cast<std::uint32_t>(rank_));
  writer.u32(static_cast<std::uint32_t>(target.about.rank));
  writer.u64(instance_);
  writer.u64(target.about.instance);
  writer.u16(static_cast<std::uint16_t>(stream));

  const transport::EndpointId id = transport_->connect(target.about.address);
  Endpoint& endpoint = endpoints_[id];
  endpoint.handshake =
      std::make_unique<security::Handshake>(security::Handshake::dial(credentials_, writer.written()));
  endpoint.deadline = now_ + kHandshakeTimeout;
  endpoint.peer = static_cast<int>(peer);
  endpoint.stream = stream;
  endpoint.dialed = true;
  endpoint.probe = probe;
  ++strangers_;
  if (identified_) identified_(id, target.about.rank, stream);
  send_handshake(id, endpoint.handshake.get());
}

void Links::on_accept(transport::EndpointId id) {
  if (strangers_ >= kMaxStrangers) {
    ++dropped_;
    return transport_->close(id);
  }
  Endpoint& endpoint = endpoints_[id];
  endpoint.handshake = std::make_unique<security::Handshake>(security::Handshake::accept(credentials_));
  endpoint.deadline = now_ + kHandshakeTimeout;
  ++strangers_;
}

void Links::send_handshake(transport::EndpointId id, security::Handshake* handshake) {
  std::vector<std::byte> output = handshake->take_output();
  if (output.empty()) return;
  output.resize(output.size() + kHandshakeChecksum);
  const auto message = ConstBytes(output).first(output.size() - kHandshakeChecksum);
  ByteWriter(Bytes(output).subspan(message.size())).u64(XXH3_64bits(message.data(), message.size()));
  if (output.size() <= transport::kMaxHeaderBytes) transport_->post(id, output, {}, 0);
}

/// The message of a handshake frame; nothing where it was damaged on the way, which is no refusal but a loss.
std::optional<ConstBytes> Links::undamaged(ConstBytes frame) {
  if (frame.size() < kHandshakeChecksum) return std::nullopt;
  const ConstBytes message = frame.first(frame.size() - kHandshakeChecksum);
  if (ByteReader(frame.subspan(message.size())).u64() != XXH3_64bits(message.data(), message.size())) return std::nullopt;
  return message;
}

void Links::on_handshake(transport::EndpointId id, Endpoint* endpoint, ConstBytes message) {
  security::Handshake& handshake = *endpoint->handshake;
  handshake.on_message(message);
  if (handshake.state() == security::Handshake::State::Done && !endpoint->dialed) {
    int peer = -1, stream = -1;
    bool probe = false;
    const Status known = identify(handshake.context(), &peer, &stream, &probe);
    if (!known.ok()) handshake.refuse(known);
  }
  send_handshake(id, &handshake);
  if (handshake.state() == security::Handshake::State::Done) return authenticated(id, endpoint);
  if (handshake.state() != security::Handshake::State::Failed) return;
  if (endpoint->dialed && handshake.status().code() == lhAuthFailed && refusal_.ok()) refusal_ = handshake.status();
  log_info("connection dropped: " + handshake.status().text());
  detach(*endpoint, false, handshake.status().text());
  drop(id);
}

Status Links::identify(ConstBytes context, int* peer, int* stream, bool* probe) const {
  ByteReader reader(context);
  const std::uint8_t purpose = reader.u8();
  const std::uint32_t from = reader.u32();
  const std::uint32_t to = reader.u32();
  const std::uint64_t from_instance = reader.u64();
  const std::uint64_t to_instance = reader.u64();
  const std::uint16_t number = reader.u16();
  if (!reader.complete() || (purpose != kPurposeStream && purpose != kPurposeProbe))
    return error(lhInvalidUsage, "not a stream of this library's version");
  if (to != static_cast<std::uint32_t>(rank_) || to_instance != instance_)
    return error(lhInvalidUsage, "meant for another communicator, or for one that has been restarted");
  if (from >= index_of_rank_.size() || index_of_rank_[from] < 0)
    return error(lhInvalidUsage, "rank {} has no business with rank {}", from, rank_);
  const Peer& caller = peers_[static_cast<std::size_t>(index_of_rank_[from])];
  if (caller.about.instance != from_instance) return error(lhInvalidUsage, "rank {} has been restarted", from);
  if (number >= caller.endpoints.size()) return error(lhInvalidUsage, "stream {} was not agreed", number);
  *peer = index_of_rank_[from];
  *stream = number;
  *probe = purpose == kPurposeProbe;
  return {};
}

void Links::authenticated(transport::EndpointId id, Endpoint* endpoint) {
  const std::uint64_t session_id = endpoint->handshake->session_id();
  int peer = endpoint->peer, stream = endpoint->stream;
  bool probe = endpoint->probe;
  if (!endpoint->dialed) LH_CHECK(identify(endpoint->handshake->context(), &peer, &stream, &probe).ok());
  endpoint->handshake.reset();
  endpoint->deadline = kNever;
  --strangers_;
  if (!probe) return adopt(id, endpoint, peer, stream, session_id);
  if (!endpoint->dialed) {
    endpoint->probe = true;  // the prober closes
    return;
  }
  peers_[static_cast<std::size_t>(peer)].session.probed(true, now_);
  drop(id);
}

void Links::adopt(transport::EndpointId id, Endpoint* endpoint, int peer, int stream, std::uint64_t session_id) {
  endpoint->peer = peer;
  endpoint->stream = stream;
  Peer& owner = peers_[static_cast<std::size_t>(peer)];
  transport::EndpointId& current = owner.endpoints[static_cast<std::size_t>(stream)];
  const transport::EndpointId old = std::exchange(current, id);
  if (identified_) identified_(id, owner.about.rank, stream);
  owner.session.stream_up(stream, session_id, now_);
  if (old != 0) drop(old);
}

void Links::on_close(transport::EndpointId id, transport::CloseReason reason, const std::string& text) {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return;
  detach(found->second, reason == transport::CloseReason::Refused, text);
  if (found->second.handshake) --strangers_;
  if (found->second.handshake && !found->second.dialed) ++dropped_;
  endpoints_.erase(found);
}

/// Tells the session, where the endpoint is (or was to become) one of its streams.
void Links::detach(const Endpoint& endpoint, bool refused, const std::string& why) {
  if (endpoint.peer < 0) return;
  Peer& peer = peers_[static_cast<std::size_t>(endpoint.peer)];
  if (endpoint.probe) {
    if (endpoint.dialed && refused) peer.session.probed(false, now_);
    return;
  }
  transport::EndpointId& current = peer.endpoints[static_cast<std::size_t>(endpoint.stream)];
  const bool was_current = current != 0 && endpoints_.contains(current) && &endpoints_.at(current) == &endpoint;
  if (was_current) current = 0;
  if (was_current || endpoint.dialed) peer.session.stream_down(endpoint.stream, refused, why, now_);
}

/// Closes and forgets an endpoint without telling its session.
void Links::drop(transport::EndpointId id) {
  const auto found = endpoints_.find(id);
  if (found == endpoints_.end()) return;
  const Endpoint& endpoint = found->second;
  if (endpoint.handshake) {
    --strangers_;
    if (!endpoint.dialed) ++dropped_;
  }
  if (endpoint.peer >= 0 && !endpoint.probe) {
    auto& current = peers_[static_cast<std::size_t>(endpoint.peer)].endpoints[static_cast<std::size_t>(endpoint.stream)];
    if (current == id) current = 0;
  }
  transport_->close(id);
  endpoints_.erase(found);
}

void Links::expire_handshakes() {
  if (strangers_ == 0) return;
  std::vector<transport::EndpointId> late;
  for (const auto& [id, endpoint] : endpoints_)
    if (now_ >= endpoint.deadline) late.push_back(id);
  for (const transport::EndpointId id : late) {
    detach(endpoints_.at(id), false, "no answer within 5 s");
    drop(id);
  }
}

}  // namespace longhaul::engine
