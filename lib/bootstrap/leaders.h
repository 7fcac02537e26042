// SPDX-License-Identifier: Apache-2.0
// The exchange between the siteRank 0s of all sites: each calls the sites before its own and is called by those after
// it. Every connection carries Missing notes while a site gathers its own ranks, then exactly one Blob, or a Failure.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bootstrap/bring_up.h"
#include "bootstrap/dialer.h"
#include "bootstrap/messages.h"

namespace longhaul::bootstrap {

class Leaders {
 public:
  explicit Leaders(const BringUp& bring_up);

  Status judge(const Caller& caller) const;
  void receive(const Caller& caller, std::unique_ptr<PeerHello> peer);
  void step(const Poller& poller, TimeNs now);
  void want(Poller* poller) const;

  /// Ranks of this site that the others should know are missing.
  void set_missing(const std::vector<int>& ranks);
  /// What this site contributes; at most 1 MiB.
  void set_blob(std::vector<std::byte> blob);
  /// Every other site's blob is here and every other site has been sent this one's.
  bool complete() const;
  /// By site; own included. Needs complete().
  std::vector<std::vector<std::byte>> take_blobs();

  /// Another site refused this one or said that it has failed; no waiting helps then.
  const Status& failure() const { return failure_; }
  TimeNs failed_at() const { return failed_at_; }
  /// Sites that have not answered, with reasons.
  std::string missing_text(bool with_limit) const;
  std::vector<FramedSocket*> connections();

 private:
  struct Link {
    std::unique_ptr<Dialer> dialer;     // to the sites before this one
    std::unique_ptr<PeerHello> caller;  // from those after it
    std::optional<std::vector<std::byte>> blob;
    bool blob_sent = false;
    bool note_sent = false;
    std::vector<int> missing;
    std::string reason;
    FramedSocket* connection() const;
  };
  bool complete(const Link& link) const;
  void serve(std::size_t site, TimeNs now);
  void take(std::size_t site, Message message, TimeNs now);
  void lose(std::size_t site, std::string problem);  // by value: it may be the connection's own text
  void fail(Status status, TimeNs now);
  std::string name_of(std::size_t site) const;
  std::string state_of(const Link& link) const;

  const BringUp& bring_up_;
  std::vector<Link> links_;  // by site; the own one stays empty
  std::vector<int> missing_;
  std::optional<std::vector<std::byte>> mine_;
  Status failure_;
  TimeNs failed_at_ = 0;
};

}  // namespace longhaul::bootstrap
