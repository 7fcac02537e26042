// SPDX-License-Identifier: Apache-2.0
// A siteRank 0 in the bring-up: its listening sockets, its site's ranks and the other sites, all served by one loop, so
// that each learns at once what is wrong with the others.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/bootstrap.h"
#include "bootstrap/bring_up.h"
#include "bootstrap/leaders.h"
#include "bootstrap/reception.h"
#include "bootstrap/site_host.h"

namespace longhaul::bootstrap {

class Host final : public SiteExchange {
 public:
  explicit Host(BringUp* bring_up);

  /// Opens the listening sockets that the configuration needs.
  Status open();
  /// The in-site exchange over TCP.
  Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs deadline) override;
  /// The exchange between sites: blobs by site. After a failure the other sites know of it.
  Result<std::vector<std::vector<std::byte>>> exchange(std::vector<std::byte> blob, TimeNs deadline);
  /// This site cannot take part: tells the other sites that come within 2 s.
  void report(const Status& failure, TimeNs deadline);

  std::uint64_t dropped() const { return reception_.dropped(); }

 private:
  void step(const Poller& poller, TimeNs now);
  void want(Poller* poller) const;
  std::optional<Status> joined(TimeNs now) const;
  std::optional<Status> answered() const;
  Status flush(TimeNs deadline);
  /// The text with the right code: lhAuthFailed where callers were refused meanwhile.
  Status blame(std::string text) const;
  std::string missing_ranks_text() const;
  Status late_joining() const;
  Status give_up(const std::optional<Status>& verdict, const Status& late, bool tell_site);

  BringUp& bring_up_;
  SiteHost site_;
  Leaders leaders_;
  Reception reception_;
};

}  // namespace longhaul::bootstrap
