// SPDX-License-Identifier: Apache-2.0
// The few TCP calls of the bring-up. IPv4, non-blocking, close-on-exec. Only resolve() may block: on DNS.
#pragma once

#include <netinet/in.h>

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/status.h"
#include "config/config.h"

namespace longhaul::bootstrap {

/// Lower-case text of an errno.
std::string errno_text(int code);
std::string text_of(const sockaddr_in& address);

/// Numeric first, then getaddrinfo, which may block for as long as the resolver of the machine is set to (often 10 s).
Result<sockaddr_in> resolve(const config::HostPort& address);

/// Where to listen for `address`: at `bind` if given, at its host if that is this machine's, else at 0.0.0.0.
Result<sockaddr_in> listen_address(const config::HostPort& address, const std::string& bind);
/// lhSystemError naming the address where it is taken.
Result<Fd> listen_at(const sockaddr_in& address);

struct Accepted {
  Fd socket;
  std::string from;
};
/// nullopt: nobody waits (*problem 0), or errno is in *problem.
std::optional<Accepted> accept_one(const Fd& listener, int* problem);

/// Starts to connect; lhSystemError where that fails at once.
Result<Fd> start_connect(const sockaddr_in& address);
/// nullopt: still connecting; 0: connected; else the errno.
std::optional<int> connect_result(const Fd& socket);

/// Sleeps until one of the wanted descriptors is ready or the time is over.
class Poller {
 public:
  /// Forgets everything wanted.
  void clear();
  void want(int fd, bool read, bool write);
  void wait(TimeNs at_most);
  /// False only where the last wait() looked and found nothing: callers' calls are non-blocking anyway.
  bool ready(int fd) const;

 private:
  struct Entry {
    int fd;
    bool ready;
  };
  std::vector<Entry> looked_at_;  // sorted by fd
  std::vector<std::pair<int, short>> wanted_;
};

}  // namespace longhaul::bootstrap
