// SPDX-License-Identifier: Apache-2.0
// Where a doctor listens; server.h.
#include <sys/socket.h>

#include <algorithm>

#include "bootstrap/socket.h"
#include "config/secret.h"
#include "doctor/ports.h"
#include "doctor/server.h"

namespace longhaul::doctor {
namespace {

/// Where the system chooses the ports, a few show what a firewall does with them.
constexpr int kSample = 4;

int port_of(const Fd& socket) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size);
  return ntohs(own.sin_port);
}

/// As the ranks' transport binds, which keeps to this machine where all sites do.
Result<sockaddr_in> data_address(const config::Config& config) {
  const bool local =
      std::all_of(config.sites.begin(), config.sites.end(), [](const config::Site& site) { return config::is_loopback(site.address.host); });
  const std::string host = !config.wan.bind.empty() ? config.wan.bind : local ? "127.0.0.1" : "0.0.0.0";
  return bootstrap::resolve({host, 0});
}

}  // namespace

Result<Listeners> listen(const config::HostPort& at) {
  auto address = bootstrap::listen_address(at, "");
  if (!address.ok()) return address.take_status();
  auto listener = bootstrap::listen_at(*address);
  if (!listener.ok()) return listener.take_status();
  Listeners out;
  out.address = std::move(*listener);
  return out;
}

Result<Listeners> listen(const config::Config& config) {
  const config::HostPort& own = config.sites[static_cast<std::size_t>(config.site)].address;
  auto address = bootstrap::listen_address(own, config.wan.bind);
  if (!address.ok()) return address.take_status();
  auto listener = bootstrap::listen_at(*address);
  if (!listener.ok()) return listener.take_status();
  auto data = data_address(config);
  if (!data.ok()) return data.take_status();
  Listeners out;
  out.address = std::move(*listener);
  std::vector<int> wanted = ports_to_try(config.wan.ports);
  if (wanted.empty()) wanted.assign(kSample, 0);
  for (const int port : wanted) {
    if (port == own.port) continue;  // it listens there already
    data->sin_port = htons(static_cast<std::uint16_t>(port));
    auto one = bootstrap::listen_at(*data);
    if (one.ok()) {
      out.ports.push_back(port_of(*one));
      out.data.push_back(std::move(*one));
    } else {
      out.taken.push_back(port);
    }
  }
  std::sort(out.ports.begin(), out.ports.end());  // the order of `data` matters to nobody
  std::erase(out.taken, 0);
  return out;
}

}  // namespace longhaul::doctor
