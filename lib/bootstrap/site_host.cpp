// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/site_host.h"

#include <algorithm>

#include "base/log.h"

namespace longhaul::bootstrap {

SiteHost::SiteHost(const BringUp& bring_up)
    : bring_up_(bring_up), members_(static_cast<std::size_t>(bring_up.config.site_size)) {}

Status SiteHost::judge(const Caller& caller) const {
  const config::Config& config = bring_up_.config;
  if (caller.site != static_cast<std::uint32_t>(config.site)) {
    return error(lhInvalidArgument,
                 "this is site {} (index {}), not index {}: check LONGHAUL_SITE and the site address",
                 bring_up_.site_name(), config.site, caller.site);
  }
  if (caller.count != members_.size()) {
    return error(lhInvalidArgument, "site {} has siteSize {} at rank 0, but {} at rank {}", bring_up_.site_name(),
                 members_.size(), caller.count, caller.rank);
  }
  if (caller.rank == 0 || caller.rank >= members_.size()) {
    return error(lhInvalidArgument, "siteRank {} cannot join: site {} has ranks 0 to {} and 0 is here", caller.rank,
                 bring_up_.site_name(), members_.size() - 1);
  }
  if (members_[caller.rank].peer) {
    return error(lhInvalidArgument, "rank {} of site {} is here already: give every process its own siteRank",
                 caller.rank, bring_up_.site_name());
  }
  if (round_ > 0) {
    return error(lhInvalidArgument, "rank {} comes too late: site {} is complete already", caller.rank,
                 bring_up_.site_name());
  }
  return {};
}

void SiteHost::receive(const Caller& caller, std::unique_ptr<PeerHello> peer) {
  members_[caller.rank] = {std::move(peer), std::nullopt, {}};
}

void SiteHost::step(const Poller& poller) {
  for (std::size_t rank = 1; rank < members_.size(); ++rank) {
    if (!members_[rank].peer) continue;
    members_[rank].peer->socket().step(poller);
    serve(rank);
  }
}

void SiteHost::serve(std::size_t rank) {
  Member& member = members_[rank];
  FramedSocket& socket = member.peer->socket();
  std::string problem;
  while (!member.blob) {
    const std::optional<std::vector<std::byte>> bytes = socket.receive();
    if (!bytes) break;
    std::optional<Message> message = decode_message(*bytes);
    if (!message || message->kind != Message::Kind::Blob || message->round != round_ || message->rank != rank) {
      problem = "it sent something else than its card";
      break;
    }
    member.blob = std::move(message->blob);
  }
  if (problem.empty() && !socket.open()) problem = socket.problem();
  if (problem.empty()) return;
  member = {};
  const std::string text =
      fmt::format("{} left during the bring-up: {}", bring_up_.rank_name(static_cast<int>(rank)), problem);
  if (round_ > 0) {
    if (lost_.ok()) lost_ = {lhRemoteError, text};
  } else {
    log_info(text);
  }
}

void SiteHost::want(Poller* poller) const {
  for (const Member& member : members_) {
    if (member.peer) member.peer->want(poller);
  }
}

std::vector<int> SiteHost::missing() const {
  std::vector<int> ranks;
  for (std::size_t rank = 1; rank < members_.size(); ++rank) {
    if (!members_[rank].blob) ranks.push_back(static_cast<int>(rank));
  }
  return ranks;
}

std::vector<std::vector<std::byte>> SiteHost::publish(ConstBytes mine) {
  std::vector<std::vector<std::byte>> all;
  all.emplace_back(mine.begin(), mine.end());
  for (std::size_t rank = 1; rank < members_.size(); ++rank) all.push_back(std::move(*members_[rank].blob));
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    const std::vector<std::byte> message = encode_blob(round_, static_cast<std::uint32_t>(rank), all[rank]);
    for (FramedSocket* connection : connections()) connection->send(message);
  }
  for (Member& member : members_) member.blob.reset();
  ++round_;
  return all;
}

bool SiteHost::flushed() const {
  return std::all_of(members_.begin(), members_.end(), [](const Member& member) {
    return !member.peer || member.peer->socket().flushed() || !member.peer->socket().open();
  });
}

void SiteHost::notice(const Status& status) {
  for (Member& member : members_) {
    if (!member.peer || member.noticed == status.text()) continue;
    member.noticed = status.text();
    member.peer->socket().send(encode_status(Message::Kind::Notice, status));
  }
}

std::vector<FramedSocket*> SiteHost::connections() {
  std::vector<FramedSocket*> all;
  for (Member& member : members_) {
    if (member.peer) all.push_back(&member.peer->socket());
  }
  return all;
}

}  // namespace longhaul::bootstrap
