// SPDX-License-Identifier: Apache-2.0
// What the UCX transport's tests share: transports on the loopback interface, and plain sockets to trouble them with.
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstdlib>
#include <memory>
#include <vector>

#include "base/fd.h"
#include "contract/transport_suite.h"
#include "transport/ucx/ucx_transport.h"

namespace longhaul::testing {

inline std::unique_ptr<Transport> loopback_transport() {
  transport::UcxOptions options;
  options.bind_host = "127.0.0.1";
  Result<std::unique_ptr<Transport>> made = transport::make_ucx_transport(options);
  INFO(made.status().text());
  REQUIRE(made.ok());
  return std::move(*made);
}

/// Sleeps until one of them has something to do, at most a millisecond.
inline TimeNs wait_for_any(const std::vector<Transport*>& all) {
  std::vector<pollfd> fds;
  for (Transport* one : all) {
    if (!one->arm()) return steady_now();
    one->append_wait_fds(fds);
  }
  (void)::poll(fds.data(), fds.size(), 1);
  return steady_now();
}

/// Where somebody listened and does no more.
inline Address deserted_address() {
  Result<Address> gone = loopback_transport()->listen();
  REQUIRE(gone.ok());
  return *gone;
}

inline TransportPair loopback_pair() {
  TransportPair pair;
  pair.a = loopback_transport();
  pair.b = loopback_transport();
  pair.step = [a = pair.a.get(), b = pair.b.get()] { return wait_for_any({a, b}); };
  pair.dead_address = deserted_address;
  return pair;
}

inline sockaddr_in ipv4_loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// Every TCP socket this process listens at: UCX's listeners and its data ports.
inline std::vector<sockaddr_in> listening_sockets() {
  std::vector<sockaddr_in> found;
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) return found;
  while (const dirent* entry = ::readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    int listens = 0;
    socklen_t size = sizeof(listens);
    sockaddr_in address{};
    socklen_t address_size = sizeof(address);
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) continue;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &address_size) != 0) continue;
    if (address.sin_family == AF_INET) found.push_back(address);
  }
  ::closedir(directory);
  return found;
}

/// A non-blocking TCP socket that is connecting, or connected.
inline Fd plain_connection(const sockaddr_in& to) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  (void)::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  return fd;
}

}  // namespace longhaul::testing
