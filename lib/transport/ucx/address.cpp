// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/address.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace longhaul::transport {

sockaddr_in make_sockaddr(in_addr address, std::uint16_t port) {
  sockaddr_in made{};
  made.sin_family = AF_INET;
  made.sin_port = htons(port);
  made.sin_addr = address;
  return made;
}

std::optional<in_addr> parse_ipv4(const std::string& text) {
  in_addr address{};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) return std::nullopt;
  return address;
}

std::string to_text(in_addr address) {
  char text[INET_ADDRSTRLEN] = {};
  inet_ntop(AF_INET, &address, text, sizeof(text));
  return text;
}

bool is_loopback(in_addr address) { return (ntohl(address.s_addr) >> 24) == 127; }

bool looks_like_ipv6(const std::string& host) { return host.find(':') != std::string::npos; }

std::vector<in_addr> interface_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::vector<in_addr> found;
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET || (one->ifa_flags & IFF_UP) == 0) continue;
    sockaddr_in address{};
    std::memcpy(&address, one->ifa_addr, sizeof(address));
    found.push_back(address.sin_addr);
  }
  freeifaddrs(list);
  std::stable_partition(found.begin(), found.end(), [](in_addr address) { return !is_loopback(address); });
  return found;
}

namespace {

constexpr const char* kNoIpv6 =
    "{} '{}' is IPv6, which this library does not use (UCX 1.13 corrupts memory with it): give an IPv4 address";

}  // namespace

Status check_options(const UcxOptions& options) {
  if (looks_like_ipv6(options.bind_host)) return error(lhInvalidArgument, kNoIpv6, "bind host", options.bind_host);
  if (looks_like_ipv6(options.advertise_host)) {
    return error(lhInvalidArgument, kNoIpv6, "advertised host", options.advertise_host);
  }
  if (!options.bind_host.empty() && !parse_ipv4(options.bind_host)) {
    return error(lhInvalidArgument, "bind host '{}' is not an IPv4 address: give one of this machine's, like 192.0.2.7",
                 options.bind_host);
  }
  if ((options.first_port == 0) != (options.last_port == 0) || options.first_port > options.last_port) {
    return error(lhInvalidArgument, "port range {}-{} is not a range: give first <= last, or neither",
                 options.first_port, options.last_port);
  }
  return {};
}

in_addr bind_address(const UcxOptions& options) {
  return parse_ipv4(options.bind_host).value_or(in_addr{htonl(INADDR_ANY)});
}

std::string advertised_host(const UcxOptions& options) {
  if (!options.advertise_host.empty()) return options.advertise_host;
  if (bind_address(options).s_addr != htonl(INADDR_ANY)) return options.bind_host;
  const std::vector<in_addr> own = interface_addresses();
  return own.empty() ? "127.0.0.1" : to_text(own.front());
}

namespace {

/// Takes the first free port of the range at `address`; an invalid socket where there is none.
ReservedPort take_port(in_addr address, const UcxOptions& options) {
  for (unsigned port = options.first_port; port <= options.last_port; ++port) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in at = make_sockaddr(address, static_cast<std::uint16_t>(port));
    if (socket.valid() && ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0) {
      return {std::move(socket), static_cast<std::uint16_t>(port)};
    }
  }
  return {};
}

Status range_is_full(const UcxOptions& options, in_addr address) {
  return error(
      lhSystemError,
      "no free port of {}-{} at {}: every process needs two, one to listen and one for data; widen the range, end "
      "what uses it, or check that the address is this machine's",
      options.first_port, options.last_port, to_text(address));
}

}  // namespace

Result<ReservedPort> reserve_port(const UcxOptions& options) {
  if (options.first_port == 0) return ReservedPort{};
  ReservedPort taken = take_port(bind_address(options), options);
  if (!taken.socket.valid()) return range_is_full(options, bind_address(options));
  return taken;
}

Status check_data_port(const UcxOptions& options) {
  if (options.first_port == 0) return {};
  for (const in_addr address : interface_addresses()) {
    if (!take_port(address, options).socket.valid()) return range_is_full(options, address);
  }
  return {};
}

}  // namespace longhaul::transport
