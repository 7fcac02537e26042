// SPDX-License-Identifier: Apache-2.0
// How the doctors of all sites come together. The first site of the configuration coordinates. It and every other site dial
// each other until one connection between them stands, so that a firewall in one direction is something to report and not the end.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "config/config.h"
#include "doctor/conversation.h"
#include "doctor/measure.h"

namespace longhaul::doctor {

/// Connections made by dialling or accepting, until somebody takes them.
class Meeting {
 public:
  struct Arrival {
    int site = 0;
    std::uint64_t instance = 0;  ///< of the process that dialled; 0: this one did
    Fd socket;
  };

  Meeting(const config::Config& config, const Self& self);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  /// Dials the site every second; a connection that succeeded is the last until it is wanted again.
  void dial(int site);
  /// No more dialling at this site.
  void stop_dialling(int site);
  /// From the server's threads.
  void receive(const Request& request, Fd socket);
  /// The next connection; nullopt: none for so long.
  std::optional<Arrival> next(TimeNs at_most);
  /// Why a site was not reached when it was last dialled. lhAuthFailed: no use to go on.
  Status problem(int site);

 private:
  struct Target {
    std::thread thread;
    bool wanted = false;
    Status problem;
  };
  void run(int site);

  const config::Config& config_;
  const Self& self_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Target> targets_;
  std::vector<Arrival> arrivals_;
  bool stopping_ = false;
};

/// "atlanta (10.0.2.1:47000)".
std::string place_text(const config::Config& config, int site);

}  // namespace longhaul::doctor
