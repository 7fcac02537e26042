// SPDX-License-Identifier: Apache-2.0
// From gathered bytes to a checked Directory. Pure: every rank of a site that is given the same bytes decides the same.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/bootstrap.h"

namespace longhaul::bootstrap {

/// The cards of the own site by siteRank. An error names the rank that is wrong, or what its configuration has
/// different.
Result<std::vector<RankCard>> check_own_site(const config::Config& config, const RankCard& mine,
                                             const std::vector<std::vector<std::byte>>& blobs);

/// From the sites' blobs (encode_site). An error names the site, or what its configuration has different.
Result<Directory> make_directory(const config::Config& config, const RankCard& mine,
                                 const std::vector<std::vector<std::byte>>& sites);

}  // namespace longhaul::bootstrap
