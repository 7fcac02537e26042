// SPDX-License-Identifier: Apache-2.0
// Hub: moves packets between the sites' devices through the paths. One thread, asleep until a packet comes or is due.
#pragma once

#include <poll.h>

#include <functional>
#include <memory>
#include <vector>

#include "emulate/path.h"
#include "emulate/site.h"

namespace longhaul::emulate {

class Hub {
 public:
  Hub(std::vector<Site> sites, const PathSettings& settings, std::uint64_t seed);

  int site_count() const { return static_cast<int>(sites_.size()); }
  const Site& site(int index) const { return sites_[static_cast<std::size_t>(index)]; }
  /// The direction from one site to another; they differ.
  Path& path(int from, int to) { return *paths_[static_cast<std::size_t>(from * site_count() + to)]; }
  const Path& path(int from, int to) const { return *paths_[static_cast<std::size_t>(from * site_count() + to)]; }
  /// Packets for no site, or that are not IPv4.
  std::uint64_t strays() const { return strays_; }
  /// A device that a site wrote faster than it could be given its packets.
  std::uint64_t refused_writes() const { return refused_; }

  /// Reads what is there, delivers what is due. Returns when the next packet is due (kNever: none).
  TimeNs turn(TimeNs now);
  void append_wait_fds(std::vector<pollfd>& fds) const;

 private:
  void read_from(int site, TimeNs now);
  void deliver(int from, int to, TimeNs now);
  int site_of(std::uint32_t address) const;

  std::vector<Site> sites_;
  std::vector<std::unique_ptr<Path>> paths_;  // from * sites + to; none from a site to itself
  std::vector<std::byte> buffer_;
  std::uint64_t strays_ = 0, refused_ = 0;
};

/// A thread that must not be late: shortest timer slack, and real-time priority where that is allowed.
void make_punctual();

}  // namespace longhaul::emulate
