// SPDX-License-Identifier: Apache-2.0
// SCM_RIGHTS in both directions. Every descriptor a stranger sends is owned (and so closed) at once.
#include "site/host/local_hello.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace longhaul::site {

namespace {

constexpr std::uint32_t kMagic = 0x4d53484c;  // "LHSM"
constexpr std::uint32_t kVersion = 1;         // also of the memory layout: ring.h, shm_layout()

struct alignas(cmsghdr) ControlBuffer {
  std::array<char, CMSG_SPACE(sizeof(int))> bytes{};
};

/// Takes over the files of a received message; the last one goes to *file. Returns their number.
int take_files(msghdr* header, Fd* file) {
  int count = 0;
  for (cmsghdr* item = CMSG_FIRSTHDR(header); item != nullptr; item = CMSG_NXTHDR(header, item)) {
    if (item->cmsg_level != SOL_SOCKET || item->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t bytes = item->cmsg_len - CMSG_LEN(0);
    for (std::size_t offset = 0; offset + sizeof(int) <= bytes; offset += sizeof(int)) {
      int received = -1;
      std::memcpy(&received, CMSG_DATA(item) + offset, sizeof(int));
      *file = Fd(received);
      ++count;
    }
  }
  return count;
}

}  // namespace

std::array<std::byte, kLocalHelloBytes> encode(const LocalHello& hello) {
  std::array<std::byte, kLocalHelloBytes> bytes{};
  ByteWriter writer(bytes);
  writer.u32(kMagic);
  writer.u32(kVersion);
  writer.bytes(hello.token);
  writer.u32(hello.rank);
  writer.u32(0);
  writer.u64(hello.max_payload);
  writer.u64(hello.memory_bytes);
  return bytes;
}

std::optional<LocalHello> decode_local_hello(ConstBytes bytes) {
  ByteReader reader(bytes);
  if (reader.u32() != kMagic || reader.u32() != kVersion) return std::nullopt;
  LocalHello hello;
  const ConstBytes token = reader.bytes(hello.token.size());
  std::copy(token.begin(), token.end(), hello.token.begin());
  hello.rank = reader.u32();
  reader.u32();
  hello.max_payload = reader.u64();
  hello.memory_bytes = reader.u64();
  if (!reader.complete()) return std::nullopt;
  return hello;
}

bool send_hello(int socket, const LocalHello& hello, int memory_file) {
  std::array<std::byte, kLocalHelloBytes> bytes = encode(hello);
  iovec part{bytes.data(), bytes.size()};
  ControlBuffer control;
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  cmsghdr* item = CMSG_FIRSTHDR(&header);
  item->cmsg_level = SOL_SOCKET;
  item->cmsg_type = SCM_RIGHTS;
  item->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(item), &memory_file, sizeof(int));
  return ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(bytes.size());
}

HelloReceiver::State HelloReceiver::receive(int socket) {
  while (used_ < buffer_.size()) {
    iovec part{buffer_.data() + used_, buffer_.size() - used_};
    ControlBuffer control;
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control.bytes.data();
    header.msg_controllen = control.bytes.size();
    const ssize_t got = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return State::Incomplete;
    if (got <= 0) return State::Bad;
    files_ += take_files(&header, &memory_file_);
    if (files_ > 1 || (header.msg_flags & MSG_CTRUNC) != 0) return State::Bad;
    used_ += static_cast<std::size_t>(got);
  }
  const std::optional<LocalHello> hello = decode_local_hello(buffer_);
  if (!hello || files_ != 1) return State::Bad;
  hello_ = *hello;
  return State::Complete;
}

}  // namespace longhaul::site
