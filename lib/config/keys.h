// SPDX-License-Identifier: Apache-2.0
// The one table of [wan] keys. The TOML file, the `wan` string and LONGHAUL_WAN_<KEY> all go through it, so that a key
// exists everywhere under the same name or nowhere. Settings are collected as text per layer and converted once, after
// the layers are merged: a value that is overridden is never looked at.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

#include "config/config.h"

namespace longhaul::config {

struct Key {
  std::string_view name;
  Status (*set)(std::string_view text, Wan* wan);
  std::string (*get)(const Wan& wan);  ///< set() reads it back as the same value
  bool equal_at_all_ranks;
};

std::span<const Key> wan_keys();
const Key* find_key(std::string_view name);
/// All names in table order, for "did you mean".
std::span<const std::string_view> wan_key_names();
/// "codec" to "LONGHAUL_WAN_CODEC".
std::string variable_of(std::string_view key);

/// A value as written and where that was, such as "job.toml:12" or "$LONGHAUL_WAN": for error texts.
struct Text {
  std::string value;
  std::string origin;
};
using Settings = std::map<std::string, Text, std::less<>>;

/// Adds "k=v,k=v" to the settings, over what is there. Empty items are skipped; a key named twice is an error.
Status read_wan_string(const std::string& text, const std::string& origin, Settings* settings);
/// Adds every set LONGHAUL_WAN_<KEY>, over what is there.
void read_wan_variables(const Environment& environment, Settings* settings);
/// An error for the first of these variable names that starts with LONGHAUL_WAN_ and is no key.
Status check_wan_variable_names(std::span<const std::string> names);

/// Converts all settings; then checks what concerns several keys.
Result<Wan> make_wan(const Settings& settings);

}  // namespace longhaul::config
