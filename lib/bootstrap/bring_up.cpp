// SPDX-License-Identifier: Apache-2.0
// The loop every wait of the bring-up runs in.
#include "bootstrap/bring_up.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "base/log.h"

namespace longhaul::bootstrap {
namespace {

constexpr TimeNs kSlice = 20 * kMillisecond;  // `cancelled` has no descriptor to wait for
constexpr TimeNs kQuiet = 2 * kSecond;
constexpr TimeNs kReportEvery = 5 * kSecond;

}  // namespace

BringUp::BringUp(const config::Config& configuration, const std::atomic<bool>& cancel_flag)
    : config(configuration), credentials{configuration.run_id, configuration.secret}, cancelled(cancel_flag) {
  if (!config.secret.empty()) OPENSSL_cleanse(config.secret.data(), config.secret.size());
  config.secret.clear();
}

std::optional<Status> run(const BringUp& bring_up, const Wait& wait, TimeNs deadline) {
  Poller poller;
  TimeNs next_report = steady_now() + kQuiet;
  for (;;) {
    if (bring_up.cancelled.load()) return Status(lhAborted, "the initialisation was aborted");
    wait.step(poller, steady_now());
    const TimeNs now = steady_now();
    if (std::optional<Status> verdict = wait.verdict(now)) return verdict;
    if (now >= deadline) return std::nullopt;
    if (now >= next_report) {
      next_report = now + kReportEvery;
      log_warn(fmt::format("waiting for {}, {:.0f} s left", wait.whom(),
                           static_cast<double>(deadline - now) / static_cast<double>(kSecond)));
    }
    poller.clear();
    wait.want(&poller);
    poller.wait(std::min(kSlice, deadline - now));
  }
}

std::string seconds_text(TimeNs duration) {
  const TimeNs tenths = (duration + kSecond / 20) / (kSecond / 10);
  return tenths % 10 == 0 ? fmt::format("{} s", tenths / 10) : fmt::format("{}.{} s", tenths / 10, tenths % 10);
}

void say_goodbye(const std::vector<FramedSocket*>& connections, ConstBytes message, TimeNs at_most) {
  const TimeNs deadline = steady_now() + at_most;
  for (FramedSocket* connection : connections) connection->send(message);
  std::vector<bool> finished(connections.size());
  Poller poller;
  for (;;) {
    std::size_t open = 0;
    poller.clear();
    for (std::size_t i = 0; i < connections.size(); ++i) {
      FramedSocket& connection = *connections[i];
      connection.step(poller);
      while (connection.receive()) connection.step(poller);
      if (!connection.open()) continue;
      ++open;
      if (connection.flushed() && !finished[i]) {
        connection.finish_sending();
        finished[i] = true;
      }
      connection.want(&poller);
    }
    const TimeNs now = steady_now();
    if (open == 0 || now >= deadline) return;
    poller.wait(std::min(kSlice, deadline - now));
  }
}

}  // namespace longhaul::bootstrap
