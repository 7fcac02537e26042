// SPDX-License-Identifier: Apache-2.0
// Numbers with units. Numbers go through std::from_chars: the locale of the process does not matter.
#include "config/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

#include "config/suggest.h"

namespace longhaul::config {
namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t factor;
};

constexpr std::array<Unit, 6> kDurationUnits{{{"ns", 1},
                                              {"us", 1'000},
                                              {"ms", 1'000'000},
                                              {"s", 1'000'000'000},
                                              {"m", 60'000'000'000},
                                              {"h", 3'600'000'000'000}}};
constexpr std::array<Unit, 10> kByteUnits{{{"", 1},
                                           {"b", 1},
                                           {"kib", 1ull << 10},
                                           {"mib", 1ull << 20},
                                           {"gib", 1ull << 30},
                                           {"tib", 1ull << 40},
                                           {"kb", 1'000},
                                           {"mb", 1'000'000},
                                           {"gb", 1'000'000'000},
                                           {"tb", 1'000'000'000'000}}};
constexpr std::array<Unit, 5> kRateUnits{
    {{"bit", 1}, {"kbit", 1'000}, {"mbit", 1'000'000}, {"gbit", 1'000'000'000}, {"tbit", 1'000'000'000'000}}};

constexpr TimeNs kLongest = 720 * 3600 * kSecond;  // all limits stay below 2^53, where double is exact
constexpr std::uint64_t kMostBytes = 1ull << 50;
constexpr std::uint64_t kFastest = 1'000'000'000'000'000;

struct Quantity {
  double number = 0;
  std::string_view unit;
};

// A non-negative finite decimal number at the start of the text, then the unit.
std::optional<Quantity> split(std::string_view text) {
  text = trimmed(text);
  if (text.empty() || !((text[0] >= '0' && text[0] <= '9') || text[0] == '.')) return std::nullopt;
  Quantity quantity;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), quantity.number);
  if (failure != std::errc{} || !std::isfinite(quantity.number)) return std::nullopt;
  quantity.unit = trimmed(text.substr(static_cast<std::size_t>(end - text.data())));
  return quantity;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

const Unit* find_unit(std::string_view name, std::span<const Unit> units) {
  const auto* end = units.data() + units.size();
  const auto* unit = std::find_if(units.data(), end, [&](const Unit& u) { return u.name == name; });
  return unit == end ? nullptr : unit;
}

// number x factor as a whole number; nullopt where it is above `most`.
std::optional<std::uint64_t> scale(double number, std::uint64_t factor, std::uint64_t most) {
  const double product = number * static_cast<double>(factor);
  if (!(product <= static_cast<double>(most))) return std::nullopt;
  return static_cast<std::uint64_t>(std::llround(product));
}

// The largest unit that divides the value.
std::string with_unit(std::uint64_t value, std::span<const Unit> units) {
  if (value == 0) return "0";
  const Unit* best = units.data();
  for (const Unit& unit : units)
    if (value % unit.factor == 0 && unit.factor >= best->factor) best = &unit;
  return fmt::format("{}{}", value / best->factor, best->name);
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

Result<TimeNs> parse_duration(std::string_view text) {
  const auto quantity = split(text);
  if (quantity && quantity->unit.empty()) {
    if (quantity->number == 0) return TimeNs{0};
    return error(lhInvalidArgument, "{} has no unit: write {}s for seconds, or ns, us, ms, m, h", in_quotes(text),
                 trimmed(text));
  }
  const Unit* unit = quantity ? find_unit(quantity->unit, kDurationUnits) : nullptr;
  if (unit == nullptr) {
    return error(lhInvalidArgument,
                 "{} is not a duration: write a number and ns, us, ms, s, m or h, such as 15ms or 60s",
                 in_quotes(text));
  }
  const auto value = scale(quantity->number, unit->factor, static_cast<std::uint64_t>(kLongest));
  if (!value) return error(lhInvalidArgument, "{} is too long: at most 720h", in_quotes(text));
  return static_cast<TimeNs>(*value);
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  const auto quantity = split(text);
  const std::string name = quantity ? lower(quantity->unit) : std::string();
  if (quantity && (name == "k" || name == "m" || name == "g" || name == "t")) {
    return error(lhInvalidArgument,
                 "{} is ambiguous: write KiB, MiB, GiB (powers of 1024) or KB, MB, GB (powers of 1000)",
                 in_quotes(text));
  }
  const Unit* unit = quantity ? find_unit(name, kByteUnits) : nullptr;
  if (unit == nullptr) {
    return error(lhInvalidArgument, "{} is not a number of bytes: write it such as 4096, 64KiB, 1MiB or 1GB",
                 in_quotes(text));
  }
  const auto value = scale(quantity->number, unit->factor, kMostBytes);
  if (!value) return error(lhInvalidArgument, "{} is too large: at most 1024TiB", in_quotes(text));
  return *value;
}

Result<std::uint64_t> parse_rate(std::string_view text) {
  const auto quantity = split(text);
  std::string name = quantity ? lower(quantity->unit) : std::string();
  // "Gb/s" is bits, "GB/s" is bytes: only here does the case of a letter matter.
  const bool bits =
      quantity && (name.find("bit") != std::string::npos || quantity->unit.find('b') != std::string_view::npos);
  if (name.ends_with("/s")) {
    name.resize(name.size() - 2);
    if (name.ends_with('b')) name += "it";
  }
  if (name.empty()) name = "bit";
  const Unit* unit = quantity && (bits || quantity->unit.empty()) ? find_unit(name, kRateUnits) : nullptr;
  if (unit == nullptr) {
    return error(
        lhInvalidArgument,
        "{} is not a rate: write bits a second such as 1gbit, 100mbit, 10Gbit/s or 1e9 (bytes a second are not taken)",
        in_quotes(text));
  }
  const auto value = scale(quantity->number, unit->factor, kFastest);
  if (!value) return error(lhInvalidArgument, "{} is too fast: at most 1000tbit", in_quotes(text));
  if (*value > 0 && *value < 1000) {
    return error(lhInvalidArgument, "{} is below 1kbit a second: write the unit, such as 1gbit", in_quotes(text));
  }
  return *value;
}

Result<double> parse_probability(std::string_view text) {
  const auto quantity = split(text);
  if (!quantity || !quantity->unit.empty() || quantity->number > 1) {
    return error(lhInvalidArgument, "{} is not a probability: write a number from 0 to 1, such as 0.001",
                 in_quotes(text));
  }
  return quantity->number;
}

Result<int> parse_int(std::string_view text, int low, int high) {
  const std::string_view digits = trimmed(text);
  int value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (digits.empty() || failure != std::errc{} || end != digits.data() + digits.size() || value < low || value > high) {
    return error(lhInvalidArgument, "{} is not a whole number from {} to {}", in_quotes(text), low, high);
  }
  return value;
}

Result<PortRange> parse_ports(std::string_view text) {
  const std::string_view range = trimmed(text);
  const std::size_t dash = range.find('-');
  const auto first = parse_port(trimmed(range.substr(0, dash)));
  const auto last = dash == std::string_view::npos ? first : parse_port(trimmed(range.substr(dash + 1)));
  if (!first || !last || *first > *last || (*first == 0 && *last != 0)) {
    return error(
        lhInvalidArgument,
        "{} is not a port range: write ports from 1 to 65535 such as 47000-47063 or 47000, or 0 for any free port",
        in_quotes(text));
  }
  return PortRange{*first, *last};
}

bool is_ipv4(std::string_view text) {
  int parts = 0;
  while (true) {
    const std::size_t dot = text.find('.');
    const std::string_view part = text.substr(0, dot);
    const bool digits = part.find_first_not_of("0123456789") == std::string_view::npos;
    // Leading zeros are octal to some resolvers and decimal to others.
    if (!digits || part.size() > 3 || (part.size() > 1 && part[0] == '0') || !parse_int(part, 0, 255).ok())
      return false;
    ++parts;
    if (dot == std::string_view::npos) return parts == 4;
    text.remove_prefix(dot + 1);
  }
}

Status check_host(std::string_view host) {
  constexpr std::string_view kAllowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  if (host.find(':') != std::string_view::npos || host.find('[') != std::string_view::npos) {
    return error(lhInvalidArgument,
                 "{}: IPv6 literals are not supported with this transport: use an IPv4 address or a host name",
                 in_quotes(host));
  }
  const bool numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
  const bool sound = !host.empty() && host.size() <= 253 && host[0] != '-' && host[0] != '.' &&
                     host.find_first_not_of(kAllowed) == std::string_view::npos && (!numeric || is_ipv4(host));
  if (!sound) return error(lhInvalidArgument, "{} is not a host name or an IPv4 address", in_quotes(host));
  if (host == "0.0.0.0") {
    return error(lhInvalidArgument,
                 "0.0.0.0 is not an address others can dial: name this machine's address (bind listens)");
  }
  return {};
}

Result<HostPort> parse_host_port(std::string_view text) {
  const std::string_view address = trimmed(text);
  const std::size_t colon = address.rfind(':');
  const bool ipv6 = address.find(':') != colon || address.find('[') != std::string_view::npos;
  if (ipv6) return check_host(address);
  if (colon == std::string_view::npos) {
    return error(lhInvalidArgument, "{} has no port: write host:port such as 10.0.1.1:47000", in_quotes(address));
  }
  Status host = check_host(address.substr(0, colon));
  if (!host.ok()) return host;
  const auto port = parse_port(address.substr(colon + 1));
  if (!port || *port == 0) {
    return error(lhInvalidArgument, "{} has no port from 1 to 65535: write host:port such as 10.0.1.1:47000",
                 in_quotes(address));
  }
  return HostPort{std::string(address.substr(0, colon)), *port};
}

std::string duration_text(TimeNs duration) { return with_unit(static_cast<std::uint64_t>(duration), kDurationUnits); }
std::string rate_text(std::uint64_t bits_per_s) { return with_unit(bits_per_s, kRateUnits); }
std::string ports_text(PortRange ports) {
  return ports.first == ports.last ? fmt::format("{}", ports.first) : fmt::format("{}-{}", ports.first, ports.last);
}

}  // namespace longhaul::config
