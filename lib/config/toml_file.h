// SPDX-License-Identifier: Apache-2.0
// The TOML file as texts with their places; meaning is given to them after the layers are merged. Unknown keys, wrong
// kinds of values and unknown tables are errors with file:line.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/keys.h"

namespace longhaul::config {

struct FileSite {
  std::string name;
  std::string origin;
  std::optional<Text> address;  ///< may be missing where the environment or the struct lists the sites
  std::optional<Text> site_address;
  Settings wan;  ///< bind, advertise, ports: for the ranks of this site, over [wan]
};

struct TomlFile {
  std::optional<Text> run_id;
  std::optional<Text> secret_file;  ///< a relative path is relative to the file's directory; made so here
  Settings wan;
  std::vector<FileSite> sites;
};

/// `path` serves the texts and the relative secret_file.
Result<TomlFile> parse_toml(std::string_view text, const std::string& path);
Result<TomlFile> read_toml(const std::string& path);

}  // namespace longhaul::config
