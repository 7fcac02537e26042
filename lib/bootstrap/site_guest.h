// SPDX-License-Identifier: Apache-2.0
// The in-site exchange over TCP of every rank but siteRank 0: calls rank 0 until the deadline, contributes, receives
// all.
#pragma once

#include <string>
#include <vector>

#include "bootstrap/bootstrap.h"
#include "bootstrap/bring_up.h"
#include "bootstrap/dialer.h"
#include "bootstrap/messages.h"

namespace longhaul::bootstrap {

class SiteGuest final : public SiteExchange {
 public:
  explicit SiteGuest(BringUp* bring_up);
  Result<std::vector<std::vector<std::byte>>> all_gather(ConstBytes mine, TimeNs deadline) override;

 private:
  void step(const Poller& poller, TimeNs now, ConstBytes mine);
  void take(Message message);
  void left(std::string problem);
  std::string host_name() const;
  Status late();

  BringUp& bring_up_;
  Dialer dialer_;
  std::uint32_t round_ = 0;
  bool sent_ = false;
  std::vector<std::vector<std::byte>> all_;  // arrives in rank order
  Status notice_;
  Status failure_;
};

}  // namespace longhaul::bootstrap
