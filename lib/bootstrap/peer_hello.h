// SPDX-License-Identifier: Apache-2.0
// One connection of the bring-up from connect or accept through the handshake to an authenticated socket. A connection
// that is not authenticated 5 s after it began fails, however slowly its bytes drip.
//
//   dial():   Connecting -> Greeting -> Ready
//   accept():               Greeting -> Asking -> Ready     Asking: the owner looks at context() and admits or refuses
//   any state -> Failed
#pragma once

#include <memory>
#include <string>

#include "bootstrap/framed_socket.h"
#include "security/handshake.h"

namespace longhaul::bootstrap {

constexpr TimeNs kHelloLimit = 5 * kSecond;
/// Largest message between authenticated ranks: a blob and its header.
constexpr std::size_t kMaxBlobBytes = 1 << 20;
constexpr std::size_t kMaxMessageBytes = kMaxBlobBytes + 64;

class PeerHello {
 public:
  enum class State { Connecting, Greeting, Asking, Ready, Failed };

  PeerHello(Fd socket, security::Handshake handshake, State state, TimeNs now);
  static std::unique_ptr<PeerHello> dial(Fd socket, const security::Credentials& credentials, ConstBytes context,
                                         TimeNs now);
  static std::unique_ptr<PeerHello> accept(Accepted caller, const security::Credentials& credentials, TimeNs now);

  void step(const Poller& poller, TimeNs now);
  void want(Poller* poller) const;

  State state() const { return state_; }
  /// Of a Failed one. lhAuthFailed, lhUnsupported and lhInvalidArgument are what a longhaul rank said or proved;
  /// anything else may be a passing condition or a stranger.
  const Status& status() const { return status_; }
  ConstBytes context() const { return handshake_.context(); }
  /// Where an accepted one comes from.
  const std::string& from() const { return from_; }
  TimeNs started() const { return started_; }
  /// An accepted one has sent a sound first message.
  bool heard() const { return heard_; }

  void admit();
  /// The caller learns code and text; Failed afterwards.
  void refuse(const Status& why);

  /// Of a Ready one.
  FramedSocket& socket() { return socket_; }

 private:
  void greet();
  void send_output();
  void fail(Status why);

  FramedSocket socket_;
  security::Handshake handshake_;
  State state_;
  Status status_;
  TimeNs started_;
  std::string from_;
  bool heard_ = false;
};

}  // namespace longhaul::bootstrap
