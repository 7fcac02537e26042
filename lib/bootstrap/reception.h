// SPDX-License-Identifier: Apache-2.0
// The listening sockets of a siteRank 0, and the callers that have not proved yet who they are. At most 64 of those are
// kept: more wait in the kernel's queue or push out the oldest. Strangers are dropped and counted and change nothing
// else.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bootstrap/bring_up.h"
#include "bootstrap/messages.h"
#include "bootstrap/peer_hello.h"

namespace longhaul::bootstrap {

class Reception {
 public:
  /// Decides about an authenticated caller. An error refuses it, with that code and text for the caller to see.
  using Judge = std::function<Status(const Caller&)>;
  /// Takes over an admitted connection.
  using Receive = std::function<void(const Caller&, std::unique_ptr<PeerHello>)>;

  Reception(const security::Credentials& credentials, Judge judge, Receive receive)
      : credentials_(credentials), judge_(std::move(judge)), receive_(std::move(receive)) {}

  /// Listens at all of these with as few sockets as serve them.
  Status open(const std::vector<sockaddr_in>& addresses);
  void step(const Poller& poller, TimeNs now);
  void want(Poller* poller) const;

  std::uint64_t dropped() const { return dropped_; }
  /// Callers with another secret or run id.
  std::uint64_t unauthorised() const { return unauthorised_; }
  /// Why the last of them was refused, and where it came from.
  const std::string& last_unauthorised() const { return last_unauthorised_; }

 private:
  void accept(TimeNs now);
  bool make_room(TimeNs now);
  /// False once the caller is gone from here.
  bool attend(std::unique_ptr<PeerHello>* caller, const Poller& poller, TimeNs now);
  void drop(const PeerHello& caller, const Status& why, TimeNs now);

  const security::Credentials& credentials_;
  Judge judge_;
  Receive receive_;
  std::vector<Fd> listeners_;
  std::deque<std::unique_ptr<PeerHello>> callers_;  // oldest first
  TimeNs accept_after_ = 0;
  TimeNs log_after_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t unauthorised_ = 0;
  std::string last_unauthorised_;
};

}  // namespace longhaul::bootstrap
