// SPDX-License-Identifier: Apache-2.0
// What must be equal at all ranks, as text that travels at bring-up, and the comparison of two such texts. The other
// text comes from the network: any bytes of any length.
#include <map>
#include <string_view>

#include "config/config.h"
#include "config/keys.h"
#include "config/suggest.h"

namespace longhaul::config {
namespace {

constexpr std::size_t kMaxCompared = 64 * 1024;
constexpr std::size_t kMaxDifferences = 12;  // the text ends up in lhGetLastError
constexpr std::size_t kMaxShown = 80;
constexpr std::string_view kSeparator = " = ";

using Lines = std::map<std::string_view, std::string_view>;

Lines lines_of(std::string_view text) {
  Lines lines;
  text = text.substr(0, kMaxCompared);
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::size_t separator = line.find(kSeparator);
    if (separator == std::string_view::npos) {
      if (!line.empty()) lines.emplace(line, "");
    } else {
      lines.emplace(line.substr(0, separator), line.substr(separator + kSeparator.size()));
    }
  }
  return lines;
}

std::string shown(const Lines& lines, std::string_view key) {
  const auto line = lines.find(key);
  return line == lines.end() ? "absent" : printable(line->second, kMaxShown);
}

}  // namespace

std::string shared_text(const Config& config) {
  std::string text = fmt::format("run_id{}{}\n", kSeparator, config.run_id);
  text += fmt::format("sites{}{}\n", kSeparator, config.sites.size());
  for (std::size_t i = 0; i < config.sites.size(); ++i) {
    text += fmt::format("site[{}].name{}{}\n", i, kSeparator, config.sites[i].name);
    text += fmt::format("site[{}].address{}{}\n", i, kSeparator, config.sites[i].address.text());
  }
  for (const Key& key : wan_keys()) {
    if (key.equal_at_all_ranks) text += fmt::format("wan.{}{}{}\n", key.name, kSeparator, key.get(config.wan));
  }
  return text;
}

std::string difference(const std::string& mine, const std::string& theirs, const std::string& their_name) {
  const Lines here = lines_of(mine);
  const Lines there = lines_of(theirs);
  Lines all = here;
  all.insert(there.begin(), there.end());
  std::string text;
  std::size_t count = 0;
  for (const auto& [key, value] : all) {
    const auto a = here.find(key);
    const auto b = there.find(key);
    if (a != here.end() && b != there.end() && a->second == b->second) continue;
    if (++count > kMaxDifferences) continue;
    text += fmt::format("{}{}: {} here, {} at {}", text.empty() ? "" : "\n", printable(key, kMaxShown),
                        shown(here, key), shown(there, key), printable(their_name, kMaxShown));
  }
  if (count > kMaxDifferences) text += fmt::format("\nand {} more", count - kMaxDifferences);
  return text;
}

}  // namespace longhaul::config
