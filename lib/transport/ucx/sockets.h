// SPDX-License-Identifier: Apache-2.0
// UCX's own TCP sockets. UCX does not tell its descriptors and sets neither congestion control nor a bound on unsent bytes, so
// they are looked for among this process's descriptors: a data socket is one whose own port, or whose peer's, is a port that a
// transport of this job accepts data at. Other sockets of the process are never touched.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "transport/transport.h"

namespace longhaul::transport {

struct TcpSocket {
  int fd = -1;
  bool listening = false;
  sockaddr_in local{};
  sockaddr_in remote{};  ///< port 0: not connected
};

/// All IPv4 TCP sockets of this process, by descriptor.
std::vector<TcpSocket> tcp_sockets();

/// Whether a socket of this process may use that congestion control.
bool congestion_control_allowed(const std::string& name);

class DataSockets {
 public:
  /// `congestion`: the name of an algorithm; "auto": bbr where this process may use it; "system": leave it alone.
  explicit DataSockets(std::string congestion) : congestion_(std::move(congestion)) {}

  /// This transport accepts data at these ports.
  void add_own_ports(const std::vector<std::uint16_t>& ports) { own_ports_.insert(own_ports_.end(), ports.begin(), ports.end()); }
  /// A peer accepts data at the data ports of this address. Either side may have made a data connection, whoever dialled.
  void add_peer(const Address& address);

  /// Sets up all data sockets there are; once more does no harm. A look at each descriptor: for new connections, not for every poll.
  void tune();

  /// See Transport::queueing; by what TCP measured on the data sockets to that host (TCP_INFO).
  std::optional<TimeNs> queueing(const Address& peer) const;

 private:
  struct Peer {
    std::optional<in_addr> address;  ///< none: known by name only
    std::uint16_t port = 0;
  };
  bool is_data(const TcpSocket& socket) const;
  void tune(const TcpSocket& socket);

  std::string congestion_;
  bool refused_ = false;  // said once
  std::vector<std::uint16_t> own_ports_;
  std::vector<Peer> peers_;
  std::vector<TcpSocket> data_;  // as of the last tune()
};

}  // namespace longhaul::transport
