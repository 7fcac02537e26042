// SPDX-License-Identifier: Apache-2.0
// IPv4 addresses of this machine and of peers. IPv6 is refused with a text: UCX 1.13's accept path writes out of bounds
// with it.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"
#include "transport/ucx/ucx_transport.h"

namespace longhaul::transport {

sockaddr_in make_sockaddr(in_addr address, std::uint16_t port);

/// "192.0.2.7", not a name.
std::optional<in_addr> parse_ipv4(const std::string& text);

std::string to_text(in_addr address);

bool is_loopback(in_addr address);

/// "::1", "[fe80::1%eth0]": anything that can only be IPv6.
bool looks_like_ipv6(const std::string& host);

/// Addresses of the interfaces that are up, loopback last.
std::vector<in_addr> interface_addresses();

/// What is wrong with the options, if anything.
Status check_options(const UcxOptions& options);

/// The address the listener binds to: bind_host, or any.
in_addr bind_address(const UcxOptions& options);

/// What others dial: advertise_host, else bind_host, else the first interface.
std::string advertised_host(const UcxOptions& options);

/// A port of the range kept from everybody else, so that UCX's data sockets leave one for the listener.
struct ReservedPort {
  Fd socket;
  std::uint16_t port = 0;  ///< 0: any port will do
};

Result<ReservedPort> reserve_port(const UcxOptions& options);

/// Fails where an interface has no free port of the range: UCX would look for one for ever.
Status check_data_port(const UcxOptions& options);

}  // namespace longhaul::transport
