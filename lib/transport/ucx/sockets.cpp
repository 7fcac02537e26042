// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/sockets.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "base/log.h"
#include "transport/ucx/address.h"

namespace longhaul::transport {
namespace {

/// Bytes that may wait unsent in a socket. Little enough that a stream which stalls holds little back and that small frames do
/// not queue long, enough to keep 10 Gbit/s busy while the engine's thread wakes up.
constexpr int kUnsentBytes = 512 << 10;

/// A connection whose last acknowledgement is older than this knows nothing of the present queue.
constexpr std::uint32_t kFreshMs = 20;

struct DirectoryCleanup {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

bool describe(int fd, TcpSocket* socket) {
  int protocol = 0, listening = 0;
  socklen_t size = sizeof protocol;
  if (::getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) != 0 || protocol != IPPROTO_TCP) return false;
  size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) return false;
  size = sizeof socket->local;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&socket->local), &size) != 0 || socket->local.sin_family != AF_INET) return false;
  size = sizeof socket->remote;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&socket->remote), &size) != 0) socket->remote = {};
  socket->fd = fd;
  socket->listening = listening != 0;
  return true;
}

bool set_congestion(int fd, const std::string& name) {
  return ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0;
}

std::string congestion_of(int fd) {
  char name[16] = {};
  socklen_t size = sizeof name;
  return ::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &size) == 0 ? std::string(name, strnlen(name, sizeof name)) : "";
}

}  // namespace

std::vector<TcpSocket> tcp_sockets() {
  std::vector<TcpSocket> found;
  const std::unique_ptr<DIR, DirectoryCleanup> directory(::opendir("/proc/self/fd"));
  while (const dirent* entry = directory ? ::readdir(directory.get()) : nullptr) {
    TcpSocket socket;
    if (entry->d_name[0] != '.' && describe(std::atoi(entry->d_name), &socket)) found.push_back(socket);
  }
  return found;
}

bool congestion_control_allowed(const std::string& name) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return socket.valid() && set_congestion(socket.get(), name);
}

void DataSockets::add_peer(const Address& address) {
  for (const std::uint16_t port : address.data_ports) peers_.push_back({parse_ipv4(address.host), port});
}

bool DataSockets::is_data(const TcpSocket& socket) const {
  if (socket.listening || socket.remote.sin_port == 0) return false;
  if (std::find(own_ports_.begin(), own_ports_.end(), ntohs(socket.local.sin_port)) != own_ports_.end()) return true;
  return std::any_of(peers_.begin(), peers_.end(), [&](const Peer& peer) {
    return peer.port == ntohs(socket.remote.sin_port) && (!peer.address || peer.address->s_addr == socket.remote.sin_addr.s_addr);
  });
}

void DataSockets::tune() {
  data_.clear();
  for (const TcpSocket& socket : tcp_sockets()) {
    if (!is_data(socket)) continue;
    tune(socket);
    data_.push_back(socket);
  }
}

std::optional<TimeNs> DataSockets::queueing(const Address& peer) const {
  const auto host = parse_ipv4(peer.host);
  std::uint32_t least = ~0U, now = ~0U;  // microseconds
  for (const TcpSocket& socket : data_) {
    tcp_info info{};
    socklen_t size = sizeof info;
    TcpSocket same;  // UCX may have closed it, and its number may be another socket's by now
    if (!host || socket.remote.sin_addr.s_addr != host->s_addr || !describe(socket.fd, &same) || same.remote.sin_port != socket.remote.sin_port) continue;
    if (::getsockopt(socket.fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 || info.tcpi_min_rtt == 0) continue;
    least = std::min(least, info.tcpi_min_rtt);
    if (info.tcpi_last_ack_recv <= kFreshMs) now = std::min(now, info.tcpi_rtt);
  }
  if (now == ~0U || least == ~0U) return std::nullopt;
  return static_cast<TimeNs>(now - std::min(now, least)) * kMicrosecond;
}

void DataSockets::tune(const TcpSocket& socket) {
  log_debug(fmt::format("data socket {}: port {} to {}:{}", socket.fd, ntohs(socket.local.sin_port), to_text(socket.remote.sin_addr),
                        ntohs(socket.remote.sin_port)));
  ::setsockopt(socket.fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentBytes, sizeof kUnsentBytes);
  if (congestion_ == "system" || is_loopback(socket.remote.sin_addr)) return;  // a loopback device loses nothing
  const std::string wanted = congestion_ == "auto" ? "bbr" : congestion_;
  if (congestion_of(socket.fd) == wanted) return;
  if (set_congestion(socket.fd, wanted) || refused_) return;
  refused_ = true;
  log_warn(fmt::format(
      "the connections to other sites use congestion control '{}', because '{}' is not to be had ({}): one lost packet costs them "
      "much of their rate. As root: modprobe tcp_{}; sysctl -w net.ipv4.tcp_allowed_congestion_control=\"{} cubic reno\"",
      congestion_of(socket.fd), wanted, std::strerror(errno), wanted, wanted));
}

}  // namespace longhaul::transport
