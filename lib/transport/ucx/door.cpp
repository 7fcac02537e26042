// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/door.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <ucp/api/ucp.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace longhaul::transport {
namespace {

constexpr std::uint32_t kHeaderBytes = 16;  // uct_tcp_sockcm_priv_data_hdr_t: 64-bit length, status, padding

struct DirectoryCleanup {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

bool listens_at(int fd, std::uint16_t port) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) return false;
  sockaddr_in address{};
  socklen_t address_size = sizeof(address);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &address_size) != 0) return false;
  return address.sin_family == AF_INET && ntohs(address.sin_port) == port;
}

/// UCX does not tell the descriptor, so it is looked for among this process's own.
int find_listener(std::uint16_t port) {
  const std::unique_ptr<DIR, DirectoryCleanup> directory(::opendir("/proc/self/fd"));
  if (!directory) return -1;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] == '.') continue;
    const int fd = std::atoi(entry->d_name);
    if (listens_at(fd, port)) return fd;
  }
  return -1;
}

bool known_format() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return major == 1 && minor >= 12 && minor <= 18;
}

constexpr sock_filter step(unsigned code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
  return {static_cast<std::uint16_t>(code), yes, no, k};
}

/// Classic BPF over a TCP segment, from its TCP header on. Jumps count the instructions skipped.
int attach_filter(int fd) {
  std::array<sock_filter, 26> program = {
      step(BPF_LD | BPF_B | BPF_ABS, 12),             // 0: data offset, in words, in the high half
      step(BPF_ALU | BPF_AND | BPF_K, 0xf0),          // 1
      step(BPF_ALU | BPF_RSH | BPF_K, 2),             // 2
      step(BPF_MISC | BPF_TAX, 0),                    // 3: X = where the payload starts
      step(BPF_LD | BPF_W | BPF_LEN, 0),              // 4
      step(BPF_ALU | BPF_SUB | BPF_X, 0),             // 5
      step(BPF_ST, 0),                                // 6: M[0] = payload bytes
      step(BPF_JMP | BPF_JEQ | BPF_K, 0, 16, 0),      // 7: none: accept
      step(BPF_JMP | BPF_JGE | BPF_K, 8, 0, 16),      // 8: less than a length: drop
      step(BPF_LD | BPF_B | BPF_IND, 7),              // 9
      step(BPF_JMP | BPF_JSET | BPF_K, 0x80, 14, 0),  // 10: a length that wraps around: drop
      step(BPF_LD | BPF_W | BPF_IND, 4),              // 11
      step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 11),      // 12: above 4 GiB: accept, UCX gives up
      step(BPF_LD | BPF_H | BPF_IND, 2),              // 13
      step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 9),       // 14: above 64 KiB: the same
      step(BPF_LD | BPF_B | BPF_IND, 1),              // 15
      step(BPF_ALU | BPF_LSH | BPF_K, 8),             // 16
      step(BPF_ST, 1),                                // 17
      step(BPF_LD | BPF_B | BPF_IND, 0),              // 18
      step(BPF_LDX | BPF_W | BPF_MEM, 1),             // 19
      step(BPF_ALU | BPF_ADD | BPF_X, 0),             // 20: A = the 16-bit length
      step(BPF_ALU | BPF_ADD | BPF_K, kHeaderBytes),  // 21
      step(BPF_LDX | BPF_W | BPF_MEM, 0),             // 22
      step(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1),       // 23: exactly one message: accept, else drop
      step(BPF_RET | BPF_K, 0xffffffff),              // 24: accept
      step(BPF_RET | BPF_K, 0),                       // 25: drop
  };
  const sock_fprog all{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &all, sizeof(all));
}

/// Accepted sockets inherit it.
int keep_alive(int fd) {
  const auto set = [fd](int level, int option, int value) {
    return ::setsockopt(fd, level, option, &value, sizeof(value));
  };
  return set(SOL_SOCKET, SO_KEEPALIVE, 1) | set(IPPROTO_TCP, TCP_KEEPIDLE, 30) | set(IPPROTO_TCP, TCP_KEEPINTVL, 10) |
         set(IPPROTO_TCP, TCP_KEEPCNT, 6);
}

}  // namespace

Status guard_listener(std::uint16_t port) {
  if (!known_format()) return {};
  const int fd = find_listener(port);
  if (fd < 0) return error(lhSystemError, "the listening socket at port {} was not found in /proc/self/fd", port);
  if (attach_filter(fd) != 0 || keep_alive(fd) != 0) {
    return error(lhSystemError, "the socket at port {} does not take a filter: {}", port, std::strerror(errno));
  }
  return {};
}

}  // namespace longhaul::transport
