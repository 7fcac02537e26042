// SPDX-License-Identifier: Apache-2.0
// The siteRank 0 side of the in-site exchange over TCP: who has joined, what they contributed, what they are told.
// Rounds are numbered; a rank that leaves in round 0 may come again, later it is lost.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bootstrap/bring_up.h"
#include "bootstrap/messages.h"
#include "bootstrap/peer_hello.h"

namespace longhaul::bootstrap {

class SiteHost {
 public:
  explicit SiteHost(const BringUp& bring_up);

  Status judge(const Caller& caller) const;
  void receive(const Caller& caller, std::unique_ptr<PeerHello> peer);
  void step(const Poller& poller);
  void want(Poller* poller) const;

  /// Ranks whose contribution to this round has not come.
  std::vector<int> missing() const;
  /// lhRemoteError naming a rank that left after round 0.
  const Status& lost() const { return lost_; }
  /// Sends everyone's contributions to all, begins the next round and returns them. Needs missing() to be empty.
  std::vector<std::vector<std::byte>> publish(ConstBytes mine);
  /// Every rank that is still here has been sent everything.
  bool flushed() const;
  std::uint32_t round() const { return round_; }
  /// What the ranks say should their own deadline be earlier than this rank's.
  void notice(const Status& status);
  std::vector<FramedSocket*> connections();

 private:
  struct Member {
    std::unique_ptr<PeerHello> peer;
    std::optional<std::vector<std::byte>> blob;
    std::string noticed;
  };
  void serve(std::size_t rank);

  const BringUp& bring_up_;
  std::vector<Member> members_;  // by siteRank; 0 stays empty
  std::uint32_t round_ = 0;
  Status lost_;
};

}  // namespace longhaul::bootstrap
