// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/host.h"

#include <algorithm>

namespace longhaul::bootstrap {
namespace {

// After another site has refused or failed: how long own ranks may still come to hear it.
constexpr TimeNs kGraceForRanks = 2 * kSecond;
// For last words and for data that is in order but late.
constexpr TimeNs kLastWords = 250 * kMillisecond;
constexpr TimeNs kLastWordsAborted = 20 * kMillisecond;

}  // namespace

Host::Host(BringUp* bring_up)
    : bring_up_(*bring_up),
      site_(*bring_up),
      leaders_(*bring_up),
      reception_(
          bring_up->credentials,
          [this](const Caller& caller) {
            return caller.purpose == Purpose::Join ? site_.judge(caller) : leaders_.judge(caller);
          },
          [this](const Caller& caller, std::unique_ptr<PeerHello> peer) {
            if (caller.purpose == Purpose::Join) {
              site_.receive(caller, std::move(peer));
            } else {
              leaders_.receive(caller, std::move(peer));
            }
          }) {}

Status Host::open() {
  const config::Config& config = bring_up_.config;
  const config::HostPort& wan = config.sites[static_cast<std::size_t>(config.site)].address;
  std::vector<sockaddr_in> addresses;
  const auto add = [&](const config::HostPort& address, const std::string& bind) -> Status {
    Result<sockaddr_in> found = listen_address(address, bind);
    if (!found.ok()) return found.take_status();
    addresses.push_back(*found);
    return {};
  };
  const bool ranks_come = config.site_size > 1 && config.site_address;
  const bool sites_come = config.sites.size() > 1;
  if (sites_come || (ranks_come && *config.site_address == wan)) {
    if (Status status = add(wan, config.wan.bind); !status.ok()) return status;
  }
  if (ranks_come && *config.site_address != wan) {
    // wan.bind names an interface of the WAN; the site's own ranks come over another one.
    if (Status status = add(*config.site_address, ""); !status.ok()) return status;
  }
  return reception_.open(addresses);
}

void Host::step(const Poller& poller, TimeNs now) {
  site_.step(poller);  // before the reception: whoever left may come again
  leaders_.step(poller, now);
  reception_.step(poller, now);
}

void Host::want(Poller* poller) const {
  site_.want(poller);
  leaders_.want(poller);
  reception_.want(poller);
}

Result<std::vector<std::vector<std::byte>>> Host::all_gather(ConstBytes mine, TimeNs deadline) {
  if (mine.size() > kMaxBlobBytes)
    return error(lhInvalidArgument, "{} bytes to exchange: at most {} are possible", mine.size(), kMaxBlobBytes);
  if (bring_up_.limit == 0) bring_up_.limit = deadline - steady_now();
  Wait wait;
  wait.step = [&](const Poller& poller, TimeNs now) {
    step(poller, now);
    if (site_.round() == 0) leaders_.set_missing(site_.missing());
    if (!site_.missing().empty()) site_.notice(late_joining());
  };
  wait.want = [&](Poller* poller) { want(poller); };
  wait.verdict = [&](TimeNs now) { return joined(now); };
  wait.whom = [&] { return missing_ranks_text(); };
  const std::optional<Status> verdict = run(bring_up_, wait, deadline);
  if (!verdict || !verdict->ok()) return give_up(verdict, late_joining(), true);
  std::vector<std::vector<std::byte>> all = site_.publish(mine);
  if (Status status = flush(deadline); !status.ok()) return give_up(status, status, true);
  return all;
}

std::optional<Status> Host::joined(TimeNs now) const {
  if (!site_.lost().ok()) return site_.lost();
  if (site_.missing().empty()) return Status();
  if (site_.round() == 0 && !leaders_.failure().ok() && now - leaders_.failed_at() >= kGraceForRanks)
    return leaders_.failure();
  return std::nullopt;
}

Status Host::flush(TimeNs deadline) {
  Wait wait;
  wait.step = [&](const Poller& poller, TimeNs now) { step(poller, now); };
  wait.want = [&](Poller* poller) { want(poller); };
  wait.verdict = [&](TimeNs) { return site_.flushed() ? std::optional<Status>(Status()) : std::nullopt; };
  wait.whom = [] { return std::string("this site's ranks to take the cards"); };
  const std::optional<Status> verdict = run(bring_up_, wait, std::max(deadline, steady_now() + kLastWords));
  if (!verdict) return error(lhTimeout, "a rank of site {} does not take the cards", bring_up_.site_name());
  return *verdict;
}

Result<std::vector<std::vector<std::byte>>> Host::exchange(std::vector<std::byte> blob, TimeNs deadline) {
  if (blob.size() > kMaxBlobBytes) {
    const Status status = error(lhUnsupported, "the cards of site {} take {} bytes: at most {} are possible",
                                bring_up_.site_name(), blob.size(), kMaxBlobBytes);
    report(status, deadline);
    return status;
  }
  leaders_.set_blob(std::move(blob));
  Wait wait;
  wait.step = [&](const Poller& poller, TimeNs now) {
    step(poller, now);
    if (!leaders_.complete()) site_.notice(blame(leaders_.missing_text(true)));
  };
  wait.want = [&](Poller* poller) { want(poller); };
  wait.verdict = [&](TimeNs) { return answered(); };
  wait.whom = [&] { return leaders_.missing_text(false); };
  const std::optional<Status> verdict = run(bring_up_, wait, deadline);
  if (!verdict || !verdict->ok()) return give_up(verdict, blame(leaders_.missing_text(true)), false);
  return leaders_.take_blobs();
}

std::optional<Status> Host::answered() const {
  if (!leaders_.failure().ok()) return leaders_.failure();
  if (leaders_.complete()) return Status();
  if (site_.lost().ok()) return std::nullopt;
  return error(lhRemoteError, "{}. Still waited for: {}", site_.lost().text(), leaders_.missing_text(false));
}

void Host::report(const Status& failure, TimeNs deadline) {
  const std::vector<std::byte> message = encode_status(Message::Kind::Failure, failure);
  const std::size_t others = bring_up_.config.sites.size() - 1;
  Wait wait;
  wait.step = [&](const Poller& poller, TimeNs now) { step(poller, now); };
  wait.want = [&](Poller* poller) { want(poller); };
  wait.verdict = [&](TimeNs) {
    const bool all_here = leaders_.connections().size() == others || !leaders_.failure().ok();
    return all_here ? std::optional<Status>(Status()) : std::nullopt;
  };
  wait.whom = [] { return std::string("the other sites, to report a failure"); };
  (void)run(bring_up_, wait, std::min(deadline, steady_now() + kGraceForRanks));
  say_goodbye(leaders_.connections(), message, kLastWords);
}

Status Host::blame(std::string text) const {
  if (reception_.unauthorised() == 0) return {lhTimeout, std::move(text)};
  return error(lhAuthFailed, "{}; meanwhile {} call(s) were refused, the last because {}", text,
               reception_.unauthorised(), reception_.last_unauthorised());
}

std::string Host::missing_ranks_text() const {
  const config::Config& config = bring_up_.config;
  const std::string address = config.site_address ? config.site_address->text() : "the site address";
  return fmt::format("site {}: {} of {} to join at {}", bring_up_.site_name(), ranks_text(site_.missing()),
                     config.site_size, address);
}

Status Host::late_joining() const {
  const config::Config& config = bring_up_.config;
  const std::string address = config.site_address ? config.site_address->text() : "the site address";
  return blame(fmt::format("site {}: {} of {} did not join at {} within {}", bring_up_.site_name(),
                           ranks_text(site_.missing()), config.site_size, address, seconds_text(bring_up_.limit)));
}

Status Host::give_up(const std::optional<Status>& verdict, const Status& late, bool tell_site) {
  Status status = verdict.value_or(leaders_.failure().ok() ? late : leaders_.failure());
  const bool aborted = status.code() == lhAborted;
  const Status for_others =
      aborted ? error(lhRemoteError, "{} aborted its initialisation", bring_up_.rank_name(0)) : status;
  std::vector<FramedSocket*> connections = leaders_.connections();
  if (tell_site || aborted) {
    for (FramedSocket* connection : site_.connections()) connections.push_back(connection);
  }
  say_goodbye(connections, encode_status(Message::Kind::Failure, for_others), aborted ? kLastWordsAborted : kLastWords);
  return status;
}

}  // namespace longhaul::bootstrap
