// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/leaders.h"

#include "base/log.h"

namespace longhaul::bootstrap {

FramedSocket* Leaders::Link::connection() const {
  if (dialer) return dialer->connection();
  return caller ? &caller->socket() : nullptr;
}

Leaders::Leaders(const BringUp& bring_up) : bring_up_(bring_up), links_(bring_up.config.sites.size()) {
  const config::Config& config = bring_up.config;
  const Caller self{Purpose::Leaders, static_cast<std::uint32_t>(config.site), 0,
                    static_cast<std::uint32_t>(config.sites.size())};
  for (std::size_t site = 0; site < static_cast<std::size_t>(config.site); ++site)
    links_[site].dialer = std::make_unique<Dialer>(config.sites[site].address, bring_up.credentials, encode(self));
}

Status Leaders::judge(const Caller& caller) const {
  const auto own = static_cast<std::size_t>(bring_up_.config.site);
  if (caller.count != links_.size()) {
    return error(lhInvalidArgument, "the job has {} sites at site {}, but {} at site index {}: give all the same sites",
                 links_.size(), bring_up_.site_name(), caller.count, caller.site);
  }
  if (caller.site >= links_.size() || caller.site <= own) {
    return error(lhInvalidArgument, "site index {} called site {} (index {}): check LONGHAUL_SITE and the sites' order",
                 caller.site, bring_up_.site_name(), own);
  }
  if (links_[caller.site].caller) {
    return error(lhInvalidArgument, "{} is here already: do two sites run with the same LONGHAUL_SITE?",
                 name_of(caller.site));
  }
  return {};
}

void Leaders::receive(const Caller& caller, std::unique_ptr<PeerHello> peer) {
  links_[caller.site].caller = std::move(peer);
}

void Leaders::step(const Poller& poller, TimeNs now) {
  for (std::size_t site = 0; site < links_.size(); ++site) {
    Link& link = links_[site];
    if (link.dialer) {
      link.dialer->step(poller, now);
      if (!link.dialer->refusal().ok()) fail(Status(link.dialer->refusal()).with(name_of(site)), now);
    } else if (link.caller) {
      link.caller->socket().step(poller);
    }
    if (link.connection()) serve(site, now);
  }
}

void Leaders::serve(std::size_t site, TimeNs now) {
  Link& link = links_[site];
  FramedSocket& connection = *link.connection();
  if (mine_ && !link.blob_sent) {
    connection.send(encode_blob(0, static_cast<std::uint32_t>(bring_up_.config.site), *mine_));
    link.blob_sent = true;
  } else if (!mine_ && !link.note_sent && !missing_.empty()) {
    connection.send(encode_missing(missing_));
    link.note_sent = true;
  }
  for (;;) {
    const std::optional<std::vector<std::byte>> bytes = connection.receive();
    if (!bytes) break;
    std::optional<Message> message = decode_message(*bytes);
    if (!message) return lose(site, "it sent something this version does not understand");
    take(site, std::move(*message), now);
  }
  if (!connection.open() && !complete(link)) lose(site, connection.problem());
}

void Leaders::take(std::size_t site, Message message, TimeNs now) {
  Link& link = links_[site];
  switch (message.kind) {
    case Message::Kind::Blob:
      if (message.rank == site) link.blob = std::move(message.blob);
      return;
    case Message::Kind::Missing:
      link.missing = std::move(message.missing);
      return;
    case Message::Kind::Failure:
      return fail(std::move(message.status).with(fmt::format("site {} reports", bring_up_.config.sites[site].name)),
                  now);
    case Message::Kind::Notice:
      return;
  }
}

void Leaders::lose(std::size_t site, std::string problem) {
  Link& link = links_[site];
  log_info(fmt::format("{}: {}", name_of(site), problem));
  if (link.dialer) link.dialer->hang_up(problem);
  link.caller.reset();
  link.blob_sent = link.note_sent = false;
  link.missing.clear();
  link.reason = std::move(problem);
}

void Leaders::fail(Status status, TimeNs now) {
  if (!failure_.ok()) return;
  failure_ = std::move(status);
  failed_at_ = now;
}

void Leaders::want(Poller* poller) const {
  for (const Link& link : links_) {
    if (link.dialer) link.dialer->want(poller);
    if (link.caller) link.caller->want(poller);
  }
}

void Leaders::set_missing(const std::vector<int>& ranks) {
  if (missing_ == ranks) return;
  missing_ = ranks;
  for (Link& link : links_) link.note_sent = false;
}

void Leaders::set_blob(std::vector<std::byte> blob) { mine_ = std::move(blob); }

bool Leaders::complete(const Link& link) const {
  return link.blob && link.blob_sent && link.connection() && link.connection()->flushed();
}

bool Leaders::complete() const {
  for (std::size_t site = 0; site < links_.size(); ++site) {
    if (site != static_cast<std::size_t>(bring_up_.config.site) && !complete(links_[site])) return false;
  }
  return mine_.has_value();
}

std::vector<std::vector<std::byte>> Leaders::take_blobs() {
  links_[static_cast<std::size_t>(bring_up_.config.site)].blob = mine_;
  std::vector<std::vector<std::byte>> all;
  for (Link& link : links_) all.push_back(std::move(*link.blob));
  return all;
}

std::string Leaders::name_of(std::size_t site) const {
  const config::Site& about = bring_up_.config.sites[site];
  return fmt::format("site {} ({})", about.name, about.address.text());
}

std::string Leaders::state_of(const Link& link) const {
  if (link.connection() && !link.missing.empty()) {
    return fmt::format("it is up but its {} {} missing", ranks_text(link.missing),
                       link.missing.size() == 1 ? "is" : "are");
  }
  if (link.connection()) return "it is up but has not sent its ranks' cards";
  if (link.dialer) return link.dialer->reason();
  if (!link.reason.empty()) return link.reason;
  return fmt::format("it has not called {}",
                     bring_up_.config.sites[static_cast<std::size_t>(bring_up_.config.site)].address.text());
}

std::string Leaders::missing_text(bool with_limit) const {
  const std::string within = with_limit ? " within " + seconds_text(bring_up_.limit) : "";
  std::string text;
  for (std::size_t site = 0; site < links_.size(); ++site) {
    if (site == static_cast<std::size_t>(bring_up_.config.site) || complete(links_[site])) continue;
    text += fmt::format("{}{} did not answer{}: {}", text.empty() ? "" : "; ", name_of(site), within,
                        state_of(links_[site]));
  }
  return text;
}

std::vector<FramedSocket*> Leaders::connections() {
  std::vector<FramedSocket*> all;
  for (const Link& link : links_) {
    if (FramedSocket* connection = link.connection()) all.push_back(connection);
  }
  return all;
}

}  // namespace longhaul::bootstrap
