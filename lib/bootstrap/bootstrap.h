// SPDX-License-Identifier: Apache-2.0
// How ranks of independent jobs find each other: every rank makes a card, the ranks of a site gather theirs (SiteExchange), the
// sites' rank 0s exchange the sites' cards over plain TCP at the addresses of `sites`, and everyone ends with the same
// Directory. Blocking, on the caller's thread, bounded by a deadline; says on the log who it waits for.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/status.h"
#include "config/config.h"

namespace longhaul::bootstrap {

/// What a rank tells the others about itself.
struct RankCard {
  std::uint32_t site = 0;
  std::uint32_t site_rank = 0;
  std::uint64_t instance = 0;  ///< random; tells a restarted process from the one that left
  std::string wan_host;        ///< where its transport listens
  std::uint16_t wan_port = 0;
  std::vector<std::uint16_t> wan_data_ports;  ///< where it accepts data connections
  std::string machine;       ///< equal for ranks that may share memory
  std::string local_socket;  ///< abstract Unix socket for ranks of the same machine
  std::string config_text;   ///< config::shared_text
  bool operator==(const RankCard&) const = default;
};

/// The cards of all ranks, site-major.
struct Directory {
  std::vector<int> site_sizes;
  std::vector<RankCard> cards;  ///< by global rank
  int site_of(int rank) const { return static_cast<int>(cards[static_cast<std::size_t>(rank)].site); }
};

/// Blocking in-site all-gather of blobs of any size up to 1 MiB: result[siteRank].
class SiteExchange {
 public:
  virtual ~SiteExchange() = default;
  virtual Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs deadline) = 0;
};

/// For a site of one rank.
std::unique_ptr<SiteExchange> make_single_exchange();
/// Over the caller's callback (MPI_Allgather in disguise, torch Store, ...).
std::unique_ptr<SiteExchange> make_oob_exchange(const lhOob_t& oob, int site_size);

/// Sockets of one bring-up: siteRank 0 owns the listening sockets (site_address and its site's WAN address, one socket where
/// they are equal), the others their connection to it. Everything closes with the object.
class Rendezvous {
 public:
  /// `cancelled` is polled: lhCommAbort during a non-blocking initialisation.
  Rendezvous(const config::Config& config, const std::atomic<bool>& cancelled);
  ~Rendezvous();

  /// Opens the listening sockets this rank needs (lhSystemError with the address where one is taken).
  Status open();
  /// The in-site exchange over TCP at site_address.
  SiteExchange& site_exchange();
  /// Collective over all ranks of all sites. `exchange` is the in-site way (site_exchange() or another). On failure every
  /// rank of the site gets a text that names who is missing: lhTimeout, or lhAuthFailed when callers with another secret or
  /// run id were refused meanwhile, or lhInvalidArgument with config::difference when configurations differ.
  Result<Directory> build_directory(SiteExchange& exchange, const RankCard& mine, TimeNs deadline);
  /// Connections refused or dropped so far (strangers, other secrets).
  std::uint64_t dropped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace longhaul::bootstrap
