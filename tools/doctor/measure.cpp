// SPDX-License-Identifier: Apache-2.0
#include "doctor/measure.h"

#include <fmt/format.h>

#include <algorithm>

#include "doctor/echo.h"
#include "doctor/flow.h"
#include "doctor/statistics.h"

namespace longhaul::doctor {
namespace {

/// Losses are looked for at a tenth of what the link carries: a queue does not overflow then.
constexpr double kProbeShare = 0.1;
constexpr double kLeastProbe = 2e6;
constexpr int kProbeStreams = 4;
constexpr double kLongestProbe = 20;  // seconds

class Measurement {
 public:
  Measurement(const Self& self, const config::HostPort& peer, const MeasureOptions& options) : self_(self), peer_(peer), options_(options) {}

  Result<Measured> run(const Tell& tell) {
    tell("distance, jitter ...");
    auto echo = Echo::open(self_, peer_);
    if (!echo.ok()) return echo.take_status();
    if (Status status = echo->measure(&out_); !status.ok()) return status;
    // Cold connections need about ten round trips.
    const double seconds = options_.seconds + 10e-9 * static_cast<double>(out_.least_rtt);
    for (const int streams : options_.streams) {
      tell(fmt::format("capacity with {} stream{}, {:.1f} s ...", streams, streams == 1 ? "" : "s", 2 * seconds));
      if (Status status = measure_capacity(streams, static_cast<TimeNs>(seconds * 1e9), &*echo); !status.ok()) return status;
    }
    const double probe = std::min(kLongestProbe, 3 * options_.seconds);
    tell(fmt::format("losses, {:.1f} s ...", probe));
    if (Status status = measure_losses(static_cast<TimeNs>(probe * 1e9)); !status.ok()) return status;
    return out_;
  }

 private:
  Result<std::vector<Fd>> connect(Ask what, TimeNs duration, double bits_per_s, int count) {
    const auto milliseconds = static_cast<std::uint32_t>(duration / kMillisecond);
    return ask(self_, peer_, {.what = what, .milliseconds = milliseconds, .bits_per_s = static_cast<std::uint64_t>(bits_per_s)}, count);
  }

  Status measure_capacity(int streams, TimeNs duration, Echo* echo) {
    Capacity capacity;
    capacity.streams = streams;
    for (const bool up : {true, false}) {
      auto sockets = connect(up ? Ask::Take : Ask::Give, duration, 0, streams);
      if (!sockets.ok()) return sockets.take_status();
      Flows flows;
      (up ? flows.up : flows.down) = std::move(*sockets);
      auto moved = move(std::move(flows), duration, 0);
      if (!moved.ok()) return moved.take_status();
      (up ? capacity.up : capacity.down) = up ? moved->up : moved->down;
      (up ? capacity.resent_up : capacity.resent_down) = up ? moved->resent_up : moved->resent_down;
      (up ? capacity.rtt_up : capacity.rtt_down) = up ? moved->rtt_up : moved->rtt_down;
      if (Status status = echo->wait_until_quiet(out_.least_rtt); !status.ok()) return status;
    }
    out_.capacity.push_back(capacity);
    return {};
  }

  Status measure_losses(TimeNs duration) {
    double best_up = 0, best_down = 0;
    for (const Capacity& c : out_.capacity) {
      best_up = std::max(best_up, c.up);
      best_down = std::max(best_down, c.down);
    }
    const double rate_up = std::max(kLeastProbe, kProbeShare * best_up), rate_down = std::max(kLeastProbe, kProbeShare * best_down);
    Flows flows;
    auto up = connect(Ask::Take, duration, 0, kProbeStreams);
    if (!up.ok()) return up.take_status();
    flows.up = std::move(*up);
    auto down = connect(Ask::Give, duration, rate_down / kProbeStreams, kProbeStreams);
    if (!down.ok()) return down.take_status();
    flows.down = std::move(*down);
    auto moved = move(std::move(flows), duration, rate_up);
    if (!moved.ok()) return moved.take_status();
    out_.loss_up = moved->lost_up;
    out_.loss_down = moved->lost_down;
    return {};
  }

  const Self& self_;
  const config::HostPort& peer_;
  const MeasureOptions& options_;
  Measured out_;
};

}  // namespace

Result<Measured> measure(const Self& self, const config::HostPort& peer, const MeasureOptions& options, const Tell& tell) {
  return Measurement(self, peer, options).run(tell);
}

}  // namespace longhaul::doctor
