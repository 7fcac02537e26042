// SPDX-License-Identifier: Apache-2.0
// Keeping the ranks of a site at one pace (site_rates.h): told before each call, where something has changed.
#include <algorithm>
#include <array>

#include "engine/engine.h"

namespace longhaul::engine {

void Engine::believe_rates() {
  for (int site = 0; site < members_.topology.sites(); ++site) {
    double slowest = SiteRates::kNoLimit;
    for (const int rank : wan_peers_)
      if (members_.topology.site_of(rank) == site) slowest = std::min(slowest, links_->session(rank)->link_rate());
    if (slowest < SiteRates::kNoLimit) rates_.believe(site, slowest);
  }
}

bool Engine::tell_rates() {
  if (!rates_.owed()) return false;
  std::array<std::byte, site::kMaxControlBytes> payload;
  ByteWriter writer(payload);
  rates_.encode(&writer);
  const wire::Message message{.kind = wire::kLinkRates, .chunk = 0, .operation = 0, .signature = 0, .begin = 0, .codec = lhCodecNone};
  bool moved = false;
  rates_.told(members_.site_rank());
  for (int peer = 0; peer < members_.site_size(); ++peer) {
    if (!rates_.owed(peer)) continue;
    if (!group_->channel(peer).send(site::Lane::Control, message, writer.written())) continue;
    rates_.told(peer);
    moved = true;
  }
  return moved;
}

void Engine::on_rates(int rank, ConstBytes payload) {
  if (!rates_.hear(members_.topology.site_rank_of(rank), payload)) {
    ++counters_.dropped_frames;
    return;
  }
  for (const int peer : wan_peers_)
    if (const double most = rates_.most(members_.topology.site_of(peer)); most < SiteRates::kNoLimit) links_->session(peer)->link_at_most(most);
}

}  // namespace longhaul::engine
