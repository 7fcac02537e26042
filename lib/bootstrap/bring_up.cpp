// SPDX-License-Identifier: Apache-2.0
// The loop every wait of the bring-up runs in.
#include "bootstrap/bring_up.h"

#include <algorithm>

#include "base/log.h"

namespace longhaul::bootstrap {
namespace {

constexpr TimeNs kSlice = 20 * kMillisecond;  // `cancelled` has no descriptor to wait for
constexpr TimeNs kQuiet = 2 * kSecond;
constexpr TimeNs kReportEvery = 5 * kSecond;

}  // namespace

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
  return fmt::format("{:.3g} s", static_cast<double>(duration) / static_cast<double>(kSecond));
}

}  // namespace longhaul::bootstrap
