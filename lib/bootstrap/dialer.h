// SPDX-License-Identifier: Apache-2.0
// Keeps calling one address until an authenticated connection stands or a longhaul rank there refuses.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "bootstrap/peer_hello.h"

namespace longhaul::bootstrap {

class Dialer {
 public:
  Dialer(config::HostPort target, const security::Credentials& credentials, std::vector<std::byte> context);

  /// May block on DNS where the target is a name.
  void step(const Poller& poller, TimeNs now);
  void want(Poller* poller) const;

  /// The authenticated connection, or null.
  FramedSocket* connection();
  /// Gives the connection up and calls again.
  void hang_up(std::string reason);  // by value: it may be the connection's own text
  /// Why there is no connection: "connection refused", "no answer", ...
  const std::string& reason() const { return reason_; }
  /// lhAuthFailed, lhUnsupported or lhInvalidArgument once refused; then it does not call again.
  const Status& refusal() const { return refusal_; }

 private:
  void call(TimeNs now);

  config::HostPort target_;
  const security::Credentials& credentials_;
  std::vector<std::byte> context_;
  std::unique_ptr<PeerHello> peer_;
  Random random_;
  TimeNs next_call_ = 0;
  std::string reason_ = "no answer";
  Status refusal_;
};

}  // namespace longhaul::bootstrap
