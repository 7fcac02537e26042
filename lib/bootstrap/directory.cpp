// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/directory.h"

#include "bootstrap/card.h"

namespace longhaul::bootstrap {
namespace {

Status check_card(const RankCard& card, std::size_t site, std::size_t rank, const std::string& name) {
  if (card.site != site || card.site_rank != rank) {
    return error(lhInvalidArgument,
                 "{} says it is siteRank {} of site index {}: check LONGHAUL_SITE and siteRank of every rank", name,
                 card.site_rank, card.site);
  }
  if (card.instance == 0) return error(lhInternalError, "{} has no instance number", name);
  return {};
}

/// An error with config::difference, or success where the texts are equal.
Status check_config(const std::string& mine, const std::string& theirs, const std::string& their_name) {
  if (mine == theirs) return {};
  std::string difference = config::difference(mine, theirs, their_name);
  if (difference.empty()) difference = "the same settings, written differently: use one version of longhaul";
  return error(lhInvalidArgument, "the configuration differs from that of {}: {}", their_name, difference);
}

}  // namespace

Result<std::vector<RankCard>> check_own_site(const config::Config& config, const RankCard& mine,
                                             const std::vector<std::vector<std::byte>>& blobs) {
  const auto site = static_cast<std::size_t>(config.site);
  if (blobs.size() != static_cast<std::size_t>(config.site_size)) {
    return error(lhInvalidArgument, "site {} has siteSize {}, but its ranks' exchange is among {}",
                 config.sites[site].name, config.site_size, blobs.size());
  }
  std::vector<RankCard> cards;
  for (std::size_t rank = 0; rank < blobs.size(); ++rank) {
    const std::string name = fmt::format("rank {} of site {}", rank, config.sites[site].name);
    std::optional<RankCard> card = decode_card(blobs[rank]);
    if (!card) return error(lhRemoteError, "{} sent an unreadable card: use one version of longhaul everywhere", name);
    if (Status status = check_card(*card, site, rank, name); !status.ok()) return status;
    cards.push_back(std::move(*card));
  }
  for (std::size_t rank = 0; rank < cards.size(); ++rank) {
    const std::string name = fmt::format("rank {} of site {}", rank, config.sites[site].name);
    if (Status status = check_config(mine.config_text, cards[rank].config_text, name); !status.ok()) return status;
  }
  return cards;
}

Result<Directory> make_directory(const config::Config& config, const RankCard& mine,
                                 const std::vector<std::vector<std::byte>>& sites) {
  if (sites.size() != config.sites.size())
    return error(lhInternalError, "cards of {} sites came, not of {}", sites.size(), config.sites.size());
  Directory directory;
  for (std::size_t site = 0; site < sites.size(); ++site) {
    const std::string name = fmt::format("site {}", config.sites[site].name);
    std::optional<std::vector<RankCard>> cards = decode_site(sites[site]);
    if (!cards) return error(lhRemoteError, "{} sent unreadable cards: use one version of longhaul everywhere", name);
    const std::string config_text = cards->front().config_text;
    if (Status status = check_config(mine.config_text, config_text, name); !status.ok()) return status;
    for (std::size_t rank = 0; rank < cards->size(); ++rank) {
      RankCard& card = (*cards)[rank];
      if (Status status = check_card(card, site, rank, fmt::format("rank {} of {}", rank, name)); !status.ok())
        return status;
      card.config_text = config_text;
      directory.cards.push_back(std::move(card));
    }
    directory.site_sizes.push_back(static_cast<int>(cards->size()));
  }
  if (directory.site_sizes[static_cast<std::size_t>(config.site)] != config.site_size) {
    return error(lhInternalError, "site {} is said to have {} ranks, not {}",
                 config.sites[static_cast<std::size_t>(config.site)].name,
                 directory.site_sizes[static_cast<std::size_t>(config.site)], config.site_size);
  }
  return directory;
}

}  // namespace longhaul::bootstrap
