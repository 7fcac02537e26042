// SPDX-License-Identifier: Apache-2.0
// The order of a bring-up: cards inside the site, sites' cards between the rank 0s, the outcome inside the site.
#include <algorithm>

#include "bootstrap/bootstrap.h"
#include "bootstrap/card.h"
#include "bootstrap/directory.h"
#include "bootstrap/host.h"
#include "bootstrap/site_guest.h"

namespace longhaul::bootstrap {
namespace {

using Blobs = std::vector<std::vector<std::byte>>;

/// Rank 0 decides a little before the deadline, so that its site's ranks hear the reason before they give up
/// themselves.
TimeNs early(TimeNs deadline) {
  const TimeNs left = std::max<TimeNs>(deadline - steady_now(), 0);
  return deadline - std::min(500 * kMillisecond, left / 10);
}

}  // namespace

struct Rendezvous::State {
  State(const config::Config& config, const std::atomic<bool>& cancelled) : bring_up(config, cancelled) {
    if (config.site_rank == 0) {
      host = std::make_unique<Host>(&bring_up);
    } else {
      guest = std::make_unique<SiteGuest>(&bring_up);
    }
  }
  /// What the other sites have, told to all ranks of this one; needs this site's cards.
  Result<Blobs> other_sites(SiteExchange& exchange, const std::vector<RankCard>& cards, TimeNs deadline);

  BringUp bring_up;
  std::unique_ptr<Host> host;  // siteRank 0
  std::unique_ptr<SiteGuest> guest;
  std::unique_ptr<SiteExchange> single = make_single_exchange();
};

Rendezvous::Rendezvous(const config::Config& config, const std::atomic<bool>& cancelled)
    : state_(std::make_unique<State>(config, cancelled)) {
  LH_CHECK(config.site >= 0 && static_cast<std::size_t>(config.site) < config.sites.size());
}

Rendezvous::~Rendezvous() = default;

Status Rendezvous::open() { return state_->host ? state_->host->open() : Status(); }

SiteExchange& Rendezvous::site_exchange() {
  if (state_->bring_up.config.site_size <= 1) return *state_->single;
  if (state_->host) return *state_->host;
  return *state_->guest;
}

std::uint64_t Rendezvous::dropped() const { return state_->host ? state_->host->dropped() : 0; }

Result<Directory> Rendezvous::build_directory(SiteExchange& exchange, const RankCard& mine, TimeNs deadline) {
  BringUp& bring_up = state_->bring_up;
  bring_up.limit = deadline - steady_now();
  Result<std::vector<std::byte>> card = encode_card(mine);
  if (!card.ok()) return card.take_status();
  Result<Blobs> gathered = exchange.all_gather(*card, state_->host ? early(deadline) : deadline);
  if (!gathered.ok()) return gathered.take_status();
  Result<std::vector<RankCard>> cards = check_own_site(bring_up.config, mine, *gathered);
  if (!cards.ok()) {
    // The other ranks of this site see the same; the other sites have to be told.
    if (state_->host) state_->host->report(cards.status(), deadline);
    return cards.take_status();
  }
  if (bring_up.config.sites.size() == 1) return make_directory(bring_up.config, mine, {encode_site(*cards)});
  Result<Blobs> sites = state_->other_sites(exchange, *cards, deadline);
  if (!sites.ok()) return sites.take_status();
  return make_directory(bring_up.config, mine, *sites);
}

Result<Blobs> Rendezvous::State::other_sites(SiteExchange& exchange, const std::vector<RankCard>& cards,
                                             TimeNs deadline) {
  std::vector<std::byte> told;
  std::optional<Result<Blobs>> outcome;
  if (host) {
    outcome = host->exchange(encode_site(cards), early(deadline));
    const bool aborted = !outcome->ok() && outcome->status().code() == lhAborted;
    // Over TCP the ranks know it already; a callback would block them for ever.
    if (aborted && &exchange == host.get()) return outcome->take_status();
    told = aborted ? encode_outcome(error(lhRemoteError, "{} aborted its initialisation", bring_up.rank_name(0)))
                   : encode_outcome(*outcome);
    if (told.size() > kMaxBlobBytes) {
      outcome = error(lhUnsupported, "the cards of all ranks take {} bytes: at most {} are possible", told.size(),
                      kMaxBlobBytes);
      told = encode_outcome(*outcome);
    }
  }
  Result<Blobs> relayed = exchange.all_gather(told, deadline);
  if (outcome && !outcome->ok()) return outcome->take_status();
  if (!relayed.ok()) return relayed.take_status();
  if (relayed->empty()) return error(lhInternalError, "the exchange inside the site brought nothing");
  return decode_outcome(relayed->front());
}

}  // namespace longhaul::bootstrap
