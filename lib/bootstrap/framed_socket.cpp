// SPDX-License-Identifier: Apache-2.0
// Reading stops while a complete message waits, so the kernel's flow control holds back a peer that sends too much.
#include "bootstrap/framed_socket.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace longhaul::bootstrap {
namespace {

constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kReadBytes = 16 * 1024;

bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK || code == EINTR || code == ENOTCONN; }

}  // namespace

void FramedSocket::send(ConstBytes message) {
  std::array<std::byte, kLengthBytes> length;
  ByteWriter(length).u32(static_cast<std::uint32_t>(message.size()));
  if (flushed()) {
    output_.clear();
    sent_ = 0;
  }
  output_.insert(output_.end(), length.begin(), length.end());
  output_.insert(output_.end(), message.begin(), message.end());
  write();
}

void FramedSocket::write() {
  while (open() && !broken_ && sent_ < output_.size()) {
    const ssize_t count = ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
    if (count >= 0) {
      sent_ += static_cast<std::size_t>(count);
    } else if (would_block(errno)) {
      return;
    } else {
      // What the peer said before it closed still has to be read; reading reports the end.
      broken_ = true;
    }
  }
}

void FramedSocket::read() {
  std::array<std::byte, kReadBytes> memory;
  while (open() && !message_waits()) {
    const std::size_t room = std::min(memory.size(), limit_ + kLengthBytes);
    const ssize_t count = ::recv(socket_.get(), memory.data(), room, 0);
    if (count > 0) {
      input_.insert(input_.end(), memory.begin(), memory.begin() + count);
    } else if (count == 0) {
      problem_ = "the connection was closed";
    } else if (would_block(errno)) {
      return;
    } else {
      problem_ = errno_text(errno);
    }
  }
}

bool FramedSocket::message_waits() const {
  ByteReader reader(input_);
  const std::uint32_t length = reader.u32();
  return !reader.failed() && (length > limit_ || reader.rest().size() >= length);
}

void FramedSocket::step(const Poller& poller) {
  if (!open() || !poller.ready(socket_.get())) return;
  write();
  read();
}

void FramedSocket::want(Poller* poller) const {
  if (open()) poller->want(socket_.get(), !message_waits(), !broken_ && !flushed());
}

std::optional<std::vector<std::byte>> FramedSocket::receive() {
  ByteReader reader(input_);
  const std::uint32_t length = reader.u32();
  if (reader.failed()) return std::nullopt;
  if (length > limit_) {
    if (open()) problem_ = fmt::format("a message of {} bytes came where at most {} are possible", length, limit_);
    return std::nullopt;
  }
  const ConstBytes message = reader.bytes(length);
  if (reader.failed()) return std::nullopt;
  std::vector<std::byte> result(message.begin(), message.end());
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(kLengthBytes + length));
  return result;
}

void FramedSocket::finish_sending() {
  if (open()) ::shutdown(socket_.get(), SHUT_WR);
}

}  // namespace longhaul::bootstrap
