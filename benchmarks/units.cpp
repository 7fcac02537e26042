// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/units.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

namespace longhaul::perf {
namespace {

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

struct Quantity {
  double value;
  std::string unit;  // lower case
};

std::optional<Quantity> parse_quantity(std::string_view text) {
  text = trim(text);
  double value = 0;
  const auto [rest, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc{} || !std::isfinite(value) || value < 0) return std::nullopt;
  const auto used = static_cast<std::size_t>(rest - text.data());
  return Quantity{value, lower(trim(text.substr(used)))};
}

struct Unit {
  std::string_view name;
  double factor;
};

template <std::size_t N>
std::optional<double> scaled(std::string_view text, const std::array<Unit, N>& units) {
  const auto quantity = parse_quantity(text);
  if (!quantity) return std::nullopt;
  for (const Unit& unit : units) {
    if (quantity->unit == unit.name) return quantity->value * unit.factor;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  static constexpr std::array<Unit, 14> kUnits{{{"", 1},
                                                {"b", 1},
                                                {"k", 0x1p10},
                                                {"kb", 0x1p10},
                                                {"kib", 0x1p10},
                                                {"m", 0x1p20},
                                                {"mb", 0x1p20},
                                                {"mib", 0x1p20},
                                                {"g", 0x1p30},
                                                {"gb", 0x1p30},
                                                {"gib", 0x1p30},
                                                {"t", 0x1p40},
                                                {"tb", 0x1p40},
                                                {"tib", 0x1p40}}};
  const auto bytes = scaled(text, kUnits);
  // 2^50 is far above any buffer and still exact in a double.
  if (!bytes || *bytes > 0x1p50 || *bytes != std::floor(*bytes)) return std::nullopt;
  return static_cast<std::uint64_t>(*bytes);
}

std::optional<double> parse_duration(std::string_view text) {
  static constexpr std::array<Unit, 6> kUnits{
      {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}}};
  if (trim(text) == "0") return 0;
  return scaled(text, kUnits);
}

std::optional<double> parse_rate(std::string_view text) {
  auto quantity = parse_quantity(text);
  if (!quantity) return std::nullopt;
  std::string_view unit = quantity->unit;
  double factor = 1;
  static constexpr std::array<Unit, 4> kPrefixes{{{"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"t", 1e12}}};
  for (const Unit& prefix : kPrefixes) {
    if (unit.starts_with(prefix.name)) {
      factor = prefix.factor;
      unit.remove_prefix(1);
      break;
    }
  }
  if (!unit.empty() && unit != "bit" && unit != "bit/s" && unit != "bps" && unit != "b/s") return std::nullopt;
  return quantity->value * factor;
}

std::optional<double> parse_probability(std::string_view text) {
  static constexpr std::array<Unit, 2> kUnits{{{"", 1}, {"%", 0.01}}};
  const auto value = scaled(text, kUnits);
  return value && *value < 1 ? value : std::nullopt;
}

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> items;
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string_view item = trim(text.substr(0, comma));
    if (!item.empty()) items.emplace_back(item);
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return items;
}

WanKeys parse_wan(std::string_view text) {
  WanKeys keys;
  for (const std::string& item : split_list(text)) {
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string_view view = item;
    const std::string_view value = equals < item.size() ? trim(view.substr(equals + 1)) : std::string_view{};
    set_wan_key(&keys, std::string(trim(view.substr(0, equals))), std::string(value));
  }
  return keys;
}

void set_wan_key(WanKeys* keys, const std::string& key, const std::string& value) {
  for (auto& [name, old] : *keys) {
    if (name == key) {
      old = value;
      return;
    }
  }
  keys->emplace_back(key, value);
}

std::optional<std::string> find_wan_key(const WanKeys& keys, std::string_view key) {
  for (const auto& [name, value] : keys) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::string wan_text(const WanKeys& keys) {
  std::string text;
  for (const auto& [name, value] : keys) {
    if (!text.empty()) text += ',';
    text += name;
    if (!value.empty()) text += '=' + value;
  }
  return text;
}

}  // namespace longhaul::perf
