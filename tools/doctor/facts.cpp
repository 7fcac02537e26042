// SPDX-License-Identifier: Apache-2.0
#include "doctor/facts.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <memory>

#include "doctor/conversation.h"
#include "transport/ucx/sockets.h"

namespace longhaul::doctor {
namespace {

std::string setting(const std::string& name) {
  std::ifstream file("/proc/sys/net/ipv4/" + name);
  std::string line;
  std::getline(file, line);
  return line;
}

std::uint64_t last_number(const std::string& values) {
  const auto at = values.find_last_of(" \t");
  return at == std::string::npos ? 0 : std::strtoull(values.c_str() + at, nullptr, 10);
}

/// Of the device that has the socket's own address; 0: none has.
int device_mtu(const Fd& socket) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  ifaddrs* list = nullptr;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0 || ::getifaddrs(&list) != 0) return 0;
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> owner(list, &::freeifaddrs);
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) continue;
    sockaddr_in address{};
    std::memcpy(&address, one->ifa_addr, sizeof address);
    if (address.sin_addr.s_addr != own.sin_addr.s_addr) continue;
    ifreq request{};
    std::strncpy(request.ifr_name, one->ifa_name, sizeof request.ifr_name - 1);
    if (::ioctl(socket.get(), SIOCGIFMTU, &request) == 0) return request.ifr_mtu;
  }
  return 0;
}

}  // namespace

Facts tcp_facts(const std::string& congestion, const Fd& socket) {
  Facts facts;
  facts.most_send_buffer = last_number(setting("tcp_wmem"));
  facts.most_receive_buffer = last_number(setting("tcp_rmem"));
  facts.slow_start_after_idle = setting("tcp_slow_start_after_idle") == "1";
  facts.bbr_allowed = transport::congestion_control_allowed("bbr");
  facts.congestion = congestion_used(congestion);
  for (const char* name : {"tcp_window_scaling", "tcp_sack", "tcp_timestamps", "tcp_moderate_rcvbuf"})
    if (setting(name) == "0") facts.switched_off.emplace_back(name);
  facts.device_mtu = device_mtu(socket);
  return facts;
}

}  // namespace longhaul::doctor
