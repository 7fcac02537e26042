// SPDX-License-Identifier: Apache-2.0
// Messages over a TCP connection: u32 length, bytes. Never blocks. Holds at most one message beyond what was taken, and
// memory only for bytes that have arrived: a claimed length is never allocated.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "bootstrap/socket.h"

namespace longhaul::bootstrap {

class FramedSocket {
 public:
  /// `limit`: the largest message accepted; a longer one closes the connection.
  FramedSocket(Fd socket, std::size_t limit) : socket_(std::move(socket)), limit_(limit) {}

  void set_limit(std::size_t limit) { limit_ = limit; }
  /// Queues a message and sends what the kernel takes now.
  void send(ConstBytes message);
  /// Sends and receives what is possible now.
  void step(const Poller& poller);
  void want(Poller* poller) const;
  /// The next message; nullopt: none has arrived completely.
  std::optional<std::vector<std::byte>> receive();

  const Fd& fd() const { return socket_; }
  /// Neither end closed it and nothing failed. What arrived before can still be received.
  bool open() const { return problem_.empty(); }
  /// Why it is not open.
  const std::string& problem() const { return problem_; }
  /// Everything queued is with the kernel.
  bool flushed() const { return sent_ == output_.size() && !broken_; }
  /// Tells the peer that nothing more comes; it can still be received from.
  void finish_sending();

 private:
  void write();
  void read();
  bool message_waits() const;

  Fd socket_;
  std::size_t limit_;
  std::vector<std::byte> input_;
  std::vector<std::byte> output_;
  std::size_t sent_ = 0;
  bool broken_ = false;  ///< sending failed; receiving tells the end
  std::string problem_;
};

}  // namespace longhaul::bootstrap
