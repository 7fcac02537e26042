// SPDX-License-Identifier: Apache-2.0
// Members: the ranks of a communicator as the engine and its texts know them. A value.
#pragma once

#include <string>
#include <vector>

#include "plan/topology.h"

namespace longhaul::engine {

struct Members {
  plan::Topology topology;
  std::vector<std::string> site_names;
  int rank = 0;

  int site() const { return topology.site_of(rank); }
  int site_rank() const { return topology.site_rank_of(rank); }
  int site_size() const { return topology.size_of(site()); }
  /// "rank 1 of site wisconsin" (rank inside the site, as its launcher counts).
  std::string who(int other) const {
    const int site = topology.site_of(other);
    return "rank " + std::to_string(topology.site_rank_of(other)) + " of site " +
           site_names[static_cast<std::size_t>(site)];
  }
};

}  // namespace longhaul::engine
