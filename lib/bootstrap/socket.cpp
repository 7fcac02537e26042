// SPDX-License-Identifier: Apache-2.0
// Plain BSD sockets behind Status.
#include "bootstrap/socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <memory>

namespace longhaul::bootstrap {
namespace {

constexpr int kBacklog = 1024;

const sockaddr* generic(const sockaddr_in& address) { return reinterpret_cast<const sockaddr*>(&address); }

Fd tcp_socket() { return Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

Status no_socket() { return error(lhSystemError, "no socket can be made: {}", errno_text(errno)); }

/// Whether sockets can listen at this address: it belongs to this machine.
bool is_local(sockaddr_in address) {
  const Fd probe = tcp_socket();
  address.sin_port = 0;
  return probe.valid() && ::bind(probe.get(), generic(address), sizeof(address)) == 0;
}

}  // namespace

std::string errno_text(int code) {
  std::array<char, 128> memory{};
  // The GNU strerror_r may or may not use the memory; it is the one of g++ and clang++ on glibc.
  std::string text = ::strerror_r(code, memory.data(), memory.size());
  if (!text.empty()) text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  return text;
}

std::string text_of(const sockaddr_in& address) {
  std::array<char, INET_ADDRSTRLEN> memory{};
  const char* text = ::inet_ntop(AF_INET, &address.sin_addr, memory.data(), memory.size());
  return fmt::format("{}:{}", text ? text : "?", ntohs(address.sin_port));
}

Result<sockaddr_in> resolve(const config::HostPort& address) {
  sockaddr_in result{};
  result.sin_family = AF_INET;
  result.sin_port = htons(address.port);
  if (::inet_pton(AF_INET, address.host.c_str(), &result.sin_addr) == 1) return result;

  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = ::getaddrinfo(address.host.c_str(), nullptr, &hints, &list);
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  if (code != 0 || list == nullptr || list->ai_addrlen < sizeof(sockaddr_in)) {
    return error(lhSystemError, "the host name '{}' cannot be resolved: {}", address.host,
                 code == EAI_SYSTEM ? errno_text(errno) : std::string(::gai_strerror(code)));
  }
  sockaddr_in found{};
  std::memcpy(&found, list->ai_addr, sizeof(found));
  result.sin_addr = found.sin_addr;
  return result;
}

Result<sockaddr_in> listen_address(const config::HostPort& address, const std::string& bind) {
  if (!bind.empty()) return resolve({bind, address.port});
  Result<sockaddr_in> own = resolve(address);
  // A name or address others see (NAT, a cloud's public address) need not exist on this machine.
  if (own.ok() && is_local(*own)) return own;
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_port = htons(address.port);
  any.sin_addr.s_addr = htonl(INADDR_ANY);
  return any;
}

Result<Fd> listen_at(const sockaddr_in& address) {
  Fd socket = tcp_socket();
  if (!socket.valid()) return no_socket();
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (::bind(socket.get(), generic(address), sizeof(address)) == 0 && ::listen(socket.get(), kBacklog) == 0)
    return socket;
  const int code = errno;
  if (code == EADDRINUSE) {
    return error(lhSystemError, "cannot listen at {}: the port is taken. Does another job or an earlier run use it?",
                 text_of(address));
  }
  return error(lhSystemError, "cannot listen at {}: {}", text_of(address), errno_text(code));
}

std::optional<Accepted> accept_one(const Fd& listener, int* problem) {
  *problem = 0;
  sockaddr_in from{};
  socklen_t size = sizeof(from);
  Fd socket(::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (socket.valid()) {
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return Accepted{std::move(socket), text_of(from)};
  }
  const int code = errno;
  // The others concern one caller that has left already (accept(2) lists them).
  if (code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM) *problem = code;
  return std::nullopt;
}

Result<Fd> start_connect(const sockaddr_in& address) {
  Fd socket = tcp_socket();
  if (!socket.valid()) return no_socket();
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (::connect(socket.get(), generic(address), sizeof(address)) == 0 || errno == EINPROGRESS) return socket;
  return Status(lhSystemError, errno_text(errno));
}

std::optional<int> connect_result(const Fd& socket) {
  pollfd entry{socket.get(), POLLOUT, 0};
  if (::poll(&entry, 1, 0) <= 0) return std::nullopt;
  int code = 0;
  socklen_t size = sizeof(code);
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &code, &size) != 0) return errno;
  return code;
}

void Poller::clear() { wanted_.clear(); }

void Poller::want(int fd, bool read, bool write) {
  wanted_.emplace_back(fd, static_cast<short>((read ? POLLIN : 0) | (write ? POLLOUT : 0)));
}

void Poller::wait(TimeNs at_most) {
  std::vector<pollfd> entries;
  for (const auto& [fd, events] : wanted_) entries.push_back({fd, events, 0});
  const TimeNs rounded_up = (std::max<TimeNs>(at_most, 0) + kMillisecond - 1) / kMillisecond;
  const int found = ::poll(entries.data(), entries.size(), static_cast<int>(rounded_up));
  looked_at_.clear();
  for (const pollfd& entry : entries) looked_at_.push_back({entry.fd, found < 0 || entry.revents != 0});
  std::sort(looked_at_.begin(), looked_at_.end(), [](const Entry& a, const Entry& b) { return a.fd < b.fd; });
}

bool Poller::ready(int fd) const {
  const auto place = std::lower_bound(looked_at_.begin(), looked_at_.end(), fd,
                                      [](const Entry& entry, int wanted) { return entry.fd < wanted; });
  return place == looked_at_.end() || place->fd != fd || place->ready;
}

}  // namespace longhaul::bootstrap
