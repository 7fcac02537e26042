// SPDX-License-Identifier: Apache-2.0
// Numbers with units as people type them ("64K", "15ms", "1gbit", "0.1%"), and the comma-separated "key=value" strings
// of the library's `wan` setting. Pure functions; nullopt means that the text is not such a number.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longhaul::perf {

/// Bytes: "8", "64K", "32M", "1G", also "64KB" and "64KiB"; always powers of 1024, as in nccl-tests.
std::optional<std::uint64_t> parse_size(std::string_view text);
/// Seconds: "15ms", "200us", "1.5s", "10ns", "2m", "1h"; the unit is required, except with 0.
std::optional<double> parse_duration(std::string_view text);
/// Bits per second: "1gbit", "400mbit", "10kbit", "100bit", also "1gbit/s", "1Gb/s", "1g" and "1e9"; powers of 1000.
std::optional<double> parse_rate(std::string_view text);
/// Probability in [0, 1): "0.001" or "0.1%".
std::optional<double> parse_probability(std::string_view text);

/// "a,b,c" to its non-empty, trimmed items.
std::vector<std::string> split_list(std::string_view text);

/// A `wan` string in its order. Items without '=' keep an empty value and are left for the library to refuse.
using WanKeys = std::vector<std::pair<std::string, std::string>>;
WanKeys parse_wan(std::string_view text);
/// Adds `key`, replacing an earlier value in place.
void set_wan_key(WanKeys* keys, const std::string& key, const std::string& value);
std::optional<std::string> find_wan_key(const WanKeys& keys, std::string_view key);
std::string wan_text(const WanKeys& keys);

}  // namespace longhaul::perf
