// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/door.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <sys/socket.h>
#include <ucp/api/ucp.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "transport/ucx/sockets.h"

namespace longhaul::transport {
namespace {

// A message is a header (64-bit length, status, padding) and a body; a connection request's body starts with a 64-bit
// number and a byte whose upper three bits are a version, and is 55 bytes long with one TCP device.
constexpr std::uint32_t kHeaderBytes = 16;
constexpr std::uint32_t kLeastRequest = kHeaderBytes + 24;
constexpr std::uint32_t kVersionAt = kHeaderBytes + 8;
constexpr std::uint32_t kSearchEnd = kHeaderBytes + 40;

/// -1: none matches.
template <typename Matches>
int find_socket(const Matches& matches) {
  for (const TcpSocket& socket : tcp_sockets())
    if (matches(socket)) return socket.fd;
  return -1;
}

bool known_format() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  ucp_get_version(&major, &minor, &release);
  return major == 1 && minor >= 12 && minor <= 18;
}

constexpr std::uint8_t kDrop = 254;  // where a jump leads, until end_filter knows the distance
constexpr std::uint8_t kAccept = 255;

sock_filter step(unsigned code, std::uint32_t k, std::uint8_t yes = 0, std::uint8_t no = 0) {
  return {static_cast<std::uint16_t>(code), yes, no, k};
}

void end_filter(std::vector<sock_filter>& program) {
  const std::size_t accept = program.size();
  program.push_back(step(BPF_RET | BPF_K, 0xffffffff));
  program.push_back(step(BPF_RET | BPF_K, 0));
  for (std::size_t i = 0; i < accept; ++i) {
    if (BPF_CLASS(program[i].code) != BPF_JMP) continue;
    for (std::uint8_t* jump : {&program[i].jt, &program[i].jf}) {
      if (*jump == kAccept) *jump = static_cast<std::uint8_t>(accept - i - 1);
      if (*jump == kDrop) *jump = static_cast<std::uint8_t>(accept - i);
    }
  }
}

/// A request carries the client id somewhere behind its first number and byte; where depends on the UCX version.
void append_client_id_search(std::vector<sock_filter>& program, std::uint64_t client_id) {
  std::uint32_t halves[2];  // as the big-endian loads see the little-endian number
  std::memcpy(halves, &client_id, sizeof(halves));
  for (std::uint32_t at = kVersionAt + 1; at + 8 <= kSearchEnd; ++at) {
    program.push_back(step(BPF_LD | BPF_W | BPF_IND, at));
    program.push_back(step(BPF_JMP | BPF_JEQ | BPF_K, ntohl(halves[0]), 0, 2));
    program.push_back(step(BPF_LD | BPF_W | BPF_IND, at + 4));
    program.push_back(step(BPF_JMP | BPF_JEQ | BPF_K, ntohl(halves[1]), kAccept, 0));
  }
  program.push_back(step(BPF_JMP | BPF_JEQ | BPF_K, 0, kDrop, kDrop));
}

/// Classic BPF over a TCP segment, from its TCP header on; X is where the payload starts. Numbers in a message are
/// little-endian, loads big-endian: hence byte by byte.
std::vector<sock_filter> make_filter(std::uint64_t client_id) {
  std::vector<sock_filter> program = {
      step(BPF_LD | BPF_B | BPF_ABS, 12),  // data offset in words, in the high half
      step(BPF_ALU | BPF_AND | BPF_K, 0xf0),
      step(BPF_ALU | BPF_RSH | BPF_K, 2),
      step(BPF_MISC | BPF_TAX, 0),
      step(BPF_STX, 2),  // M[2] = payload start
      step(BPF_LD | BPF_W | BPF_LEN, 0),
      step(BPF_ALU | BPF_SUB | BPF_X, 0),
      step(BPF_ST, 0),  // M[0] = payload bytes
      step(BPF_JMP | BPF_JEQ | BPF_K, 0, kAccept, 0),
      step(BPF_JMP | BPF_JGE | BPF_K, 8, 0, kDrop),  // less than a length
      step(BPF_LD | BPF_B | BPF_IND, 7),
      step(BPF_JMP | BPF_JSET | BPF_K, 0x80, kDrop, 0),  // a length that wraps around
      step(BPF_LD | BPF_W | BPF_IND, 4),
      step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, kAccept),  // 4 GiB and more: UCX gives up by itself
      step(BPF_LD | BPF_H | BPF_IND, 2),
      step(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, kAccept),  // 64 KiB and more: the same
      step(BPF_LD | BPF_B | BPF_IND, 1),
      step(BPF_ALU | BPF_LSH | BPF_K, 8),
      step(BPF_ST, 1),
      step(BPF_LD | BPF_B | BPF_IND, 0),
      step(BPF_LDX | BPF_W | BPF_MEM, 1),
      step(BPF_ALU | BPF_ADD | BPF_X, 0),  // A = the length, 16 bits
      step(BPF_ALU | BPF_ADD | BPF_K, kHeaderBytes),
      step(BPF_LDX | BPF_W | BPF_MEM, 0),
      step(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, kDrop),               // not exactly one message
      step(BPF_JMP | BPF_JEQ | BPF_K, kHeaderBytes, kAccept, 0),  // a client's "I am connected"
      step(BPF_JMP | BPF_JGE | BPF_K, kLeastRequest, 0, kDrop),   // too short for a request
      step(BPF_LDX | BPF_W | BPF_MEM, 2),
      step(BPF_LD | BPF_B | BPF_IND, kVersionAt),
      step(BPF_JMP | BPF_JGE | BPF_K, 0x40, kDrop, 0),  // a format version above 1
  };
  append_client_id_search(program, client_id);
  end_filter(program);
  return program;
}

int attach_filter(int fd, std::uint64_t client_id) {
  std::vector<sock_filter> program = make_filter(client_id);
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

Result<bool> guard_listener(std::uint16_t port, std::uint64_t client_id) {
  if (!known_format()) return false;
  const int fd = find_socket([&](const TcpSocket& socket) { return socket.listening && socket.local.sin_port == htons(port); });
  if (fd < 0) return error(lhSystemError, "the listening socket at port {} was not found in /proc/self/fd", port);
  if (attach_filter(fd, client_id) != 0 || keep_alive(fd) != 0) {
    return error(lhSystemError, "the socket at port {} does not take a filter: {}", port, std::strerror(errno));
  }
  return true;
}

bool sent_a_request(const sockaddr_in& client) {
  const int fd = find_socket([&](const TcpSocket& socket) {
    return socket.remote.sin_port == client.sin_port && socket.remote.sin_addr.s_addr == client.sin_addr.s_addr;
  });
  if (fd < 0) return false;
  tcp_info info{};
  socklen_t size = sizeof(info);
  return ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_bytes_received >= kLeastRequest;
}

}  // namespace longhaul::transport
