// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/site_guest.h"

namespace longhaul::bootstrap {
namespace {

std::vector<std::byte> caller_of(const config::Config& config) {
  return encode(Caller{Purpose::Join, static_cast<std::uint32_t>(config.site),
                       static_cast<std::uint32_t>(config.site_rank), static_cast<std::uint32_t>(config.site_size)});
}

}  // namespace

SiteGuest::SiteGuest(BringUp* bring_up)
    : bring_up_(*bring_up),
      dialer_(bring_up->config.site_address.value_or(config::HostPort{}), bring_up->credentials,
              caller_of(bring_up->config)) {}

Result<std::vector<std::vector<std::byte>>> SiteGuest::all_gather(ConstBytes mine, TimeNs deadline) {
  if (!bring_up_.config.site_address) return error(lhInvalidArgument, "no site address: set siteAddress");
  if (mine.size() > kMaxBlobBytes)
    return error(lhInvalidArgument, "{} bytes to exchange: at most {} are possible", mine.size(), kMaxBlobBytes);
  if (!failure_.ok()) return failure_;
  if (bring_up_.limit == 0) bring_up_.limit = deadline - steady_now();
  sent_ = false;
  all_.clear();
  Wait wait;
  wait.step = [&](const Poller& poller, TimeNs now) { step(poller, now, mine); };
  wait.want = [&](Poller* poller) { dialer_.want(poller); };
  wait.verdict = [&](TimeNs) -> std::optional<Status> {
    if (!failure_.ok()) return failure_;
    if (all_.size() == static_cast<std::size_t>(bring_up_.config.site_size)) return Status();
    return std::nullopt;
  };
  wait.whom = [&] {
    return dialer_.connection() ? fmt::format("{}: {}", host_name(), notice_.ok() ? "it is there" : notice_.text())
                                : fmt::format("{} ({})", host_name(), dialer_.reason());
  };
  const std::optional<Status> verdict = run(bring_up_, wait, deadline);
  if (!verdict) return late();
  if (!verdict->ok()) return *verdict;
  ++round_;
  return std::move(all_);
}

void SiteGuest::step(const Poller& poller, TimeNs now, ConstBytes mine) {
  dialer_.step(poller, now);
  if (!dialer_.refusal().ok()) {
    failure_ = Status(dialer_.refusal()).with(host_name());
    return;
  }
  FramedSocket* connection = dialer_.connection();
  if (!connection) return;
  if (!sent_) {
    connection->send(encode_blob(round_, static_cast<std::uint32_t>(bring_up_.config.site_rank), mine));
    sent_ = true;
  }
  while (failure_.ok() && all_.size() < static_cast<std::size_t>(bring_up_.config.site_size)) {
    const std::optional<std::vector<std::byte>> bytes = connection->receive();
    if (!bytes) {
      if (!connection->open()) left(connection->problem());
      return;
    }
    std::optional<Message> message = decode_message(*bytes);
    if (!message) return left("it sent something this version does not understand");
    take(std::move(*message));
    connection->step(poller);
  }
}

void SiteGuest::take(Message message) {
  switch (message.kind) {
    case Message::Kind::Blob:
      if (message.round == round_ && message.rank == all_.size()) {
        all_.push_back(std::move(message.blob));
      } else {
        failure_ = error(lhRemoteError, "{} sent cards out of order", host_name());
      }
      return;
    case Message::Kind::Notice:
      notice_ = std::move(message.status);
      return;
    case Message::Kind::Failure:
      failure_ = std::move(message.status);
      return;
    case Message::Kind::Missing:
      return;
  }
}

void SiteGuest::left(std::string problem) {
  if (round_ > 0) {
    failure_ = error(lhRemoteError, "{} left during the bring-up: {}", host_name(), problem);
    return;
  }
  // It may come again: in round 0 everything can be said anew.
  dialer_.hang_up(std::move(problem));
  notice_ = Status();
  sent_ = false;
  all_.clear();
}

std::string SiteGuest::host_name() const {
  return fmt::format("{} at {}", bring_up_.rank_name(0), bring_up_.config.site_address->text());
}

Status SiteGuest::late() {
  const std::string address = bring_up_.config.site_address->text();
  if (!dialer_.connection()) {
    return error(lhTimeout, "{} does not answer at {} ({}) within {}", bring_up_.rank_name(0), address,
                 dialer_.reason(), seconds_text(bring_up_.limit));
  }
  if (!notice_.ok()) return notice_;
  return error(lhTimeout, "{} is there, but did not answer within {}", host_name(), seconds_text(bring_up_.limit));
}

}  // namespace longhaul::bootstrap
