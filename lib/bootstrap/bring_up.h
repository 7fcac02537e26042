// SPDX-License-Identifier: Apache-2.0
// What all parts of one rank's bring-up share, and how they wait.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "bootstrap/framed_socket.h"
#include "security/handshake.h"

namespace longhaul::bootstrap {

struct BringUp {
  BringUp(const config::Config& configuration, const std::atomic<bool>& cancel_flag);

  const std::string& site_name() const { return config.sites[static_cast<std::size_t>(config.site)].name; }
  /// "rank 2 of site wisconsin".
  std::string rank_name(int rank) const { return fmt::format("rank {} of site {}", rank, site_name()); }

  config::Config config;  ///< without the secret
  security::Credentials credentials;
  const std::atomic<bool>& cancelled;
  TimeNs limit = 0;  ///< how long the whole bring-up may take, for texts
};

/// One side of a wait: what to do, when to stop, what to say.
struct Wait {
  std::function<void(const Poller&, TimeNs)> step;
  std::function<void(Poller*)> want;
  /// nullopt: go on. Success and failure both end the wait.
  std::function<std::optional<Status>(TimeNs)> verdict;
  /// Whom we wait for, for the log: "rank 2 of site wisconsin".
  std::function<std::string()> whom;
};

/// Runs until the verdict, or until cancelled (lhAborted, within 20 ms plus one step). nullopt: the deadline came
/// first. Says on the log whom it waits for, first after 2 s, then every 5 s.
std::optional<Status> run(const BringUp& bring_up, const Wait& wait, TimeNs deadline);

/// "3 s", "0.7 s".
std::string seconds_text(TimeNs duration);

/// Sends a last message on these connections and closes them for sending; then waits, `at_most`, until the other ends
/// have read it and closed. Closing at once could make the kernel throw the message away.
void say_goodbye(const std::vector<FramedSocket*>& connections, ConstBytes message, TimeNs at_most);

}  // namespace longhaul::bootstrap
