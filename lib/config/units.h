// SPDX-License-Identifier: Apache-2.0
// Values with units as people write them. Every parser is total over any text; errors are lhInvalidArgument and say how
// to write the value. Every *_text is read back by its parser as the same value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "config/config.h"

namespace longhaul::config {

/// Without blanks at both ends.
std::string_view trimmed(std::string_view text);

/// "15ms", "1.5s", "2m", "1h", "500us", "100ns", "0". Other plain numbers are refused: the unit must be written. At
/// most 720h.
Result<TimeNs> parse_duration(std::string_view text);
/// "4096", "64KiB", "1MiB" (powers of 1024), "1MB" (powers of 1000), "1e6". "1M" is refused as ambiguous.
Result<std::uint64_t> parse_bytes(std::string_view text);
/// Bits a second: "1gbit", "100mbit", "10Gbit/s", "10Gb/s", "1e9". Bytes a second are refused.
Result<std::uint64_t> parse_rate(std::string_view text);
/// 0 to 1, both included.
Result<double> parse_probability(std::string_view text);
/// A whole number from `low` to `high`.
Result<int> parse_int(std::string_view text, int low, int high);
/// "47000-47063", "47000", or "0" (any free port).
Result<PortRange> parse_ports(std::string_view text);
/// "host:port" with a host name or an IPv4 address. IPv6 literals are refused.
Result<HostPort> parse_host_port(std::string_view text);
/// A host name or an IPv4 address that others can dial, without port.
Status check_host(std::string_view host);
/// Four decimal numbers 0..255 with dots.
bool is_ipv4(std::string_view text);

std::string duration_text(TimeNs duration);
std::string rate_text(std::uint64_t bits_per_s);
std::string ports_text(PortRange ports);

}  // namespace longhaul::config
