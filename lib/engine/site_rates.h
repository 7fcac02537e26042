// SPDX-License-Identifier: Apache-2.0
// SiteRates: the ranks of a site share its links, and every session finds its own pace from the delays it sees. Alone, one would
// creep up while another goes down, for the first that is done early finds an empty queue and the last meets a full one. So
// ranks of a site tell each other what they believe the link to every other site carries, and none goes much faster than the slowest. Sans-IO.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace longhaul::engine {

class SiteRates {
 public:
  SiteRates(int site_size, int sites);

  /// What this rank believes, bytes a second of a whole link; 0: not known. A change by a trifle is not worth telling.
  void believe(int site, double bytes_per_second);
  /// Whether `peer` (a siteRank) does not know yet what this rank believes; told() once it does.
  bool owed(int peer) const { return owed_[static_cast<std::size_t>(peer)]; }
  bool owed() const { return std::find(owed_.begin(), owed_.end(), true) != owed_.end(); }  ///< to anybody
  void told(int peer) { owed_[static_cast<std::size_t>(peer)] = false; }
  /// The message: u64 bytes a second for every site.
  std::size_t bytes() const { return mine_.size() * 8; }
  void encode(ByteWriter* writer) const;
  /// False: no such message (nothing changed).
  bool hear(int peer, ConstBytes message);
  /// The fastest this rank may go; kNoLimit where nobody said anything.
  double most(int site) const;

  static constexpr double kNoLimit = 1e18;

 private:
  std::vector<double> mine_;               // by site, as told
  std::vector<std::vector<double>> heard_;  // by siteRank, site
  std::vector<bool> owed_;                 // by siteRank
};

}  // namespace longhaul::engine
