// SPDX-License-Identifier: Apache-2.0
// The list of sites, and which of them is this rank's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/keys.h"
#include "config/toml_file.h"

namespace longhaul::config {

constexpr std::size_t kMaxSites = 8;

/// "a=host:port,b=host:port", checked by check_sites.
Result<std::vector<Site>> parse_sites(const Text& text);
/// From the [[site]] tables, checked by check_sites.
Result<std::vector<Site>> sites_of(const TomlFile& file);
/// 1 to 8 sites, names of letters, digits, '-', '_' and '.', names and addresses unique.
Status check_sites(const std::vector<Site>& sites);

/// Index of the named site; without a name, the only one.
Result<int> own_site(const std::optional<Text>& name, const std::vector<Site>& sites);

/// "wisconsin, atlanta".
std::string names_of(const std::vector<Site>& sites);

}  // namespace longhaul::config
