// SPDX-License-Identifier: Apache-2.0
// Checks of the way between the machines.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "doctor/checks.h"
#include "doctor/statistics.h"

namespace longhaul::doctor {
namespace {

constexpr double kHeaders = 52, kFrame = 18;
constexpr int kUsualMtu = 1500, kJumboMtu = 9000;
constexpr double kFastLink = 5e9;
constexpr double kFewSegments = (1 << 20) / 1448.0;  // of a call of 1 MiB

double payload_share(double mtu) { return (mtu - kHeaders) / (mtu + kFrame); }

void check_losses(const View& view, std::vector<Finding>* findings) {
  for (const auto& [from, to, losses] :
       {std::tuple{&view.here, &view.there, view.m.loss_up}, std::tuple{&view.there, &view.here, view.m.loss_down}}) {
    const double share = loss_share(losses);
    if (losses.lost < 3 || from->congestion != "bbr") continue;  // with loss-based congestion control that is said there
    const double calls = 1 - std::pow(1 - share, kFewSegments);
    findings->push_back(
        {.problem = fmt::format("{} -> {} loses {} at a tenth of its rate: no queue of ours overflows", from->name, to->name, loss_text(losses)),
         .gain = fmt::format("bbr keeps its rate, but {:.0f} % of the calls of 1 MiB wait a round trip ({}) longer: ask who runs the link",
                             calls * 100, ms_text(view.m.least_rtt)),
         .wrong = share >= 3e-4,
         .key = fmt::format("loss {} {}", from->name, to->name)});
  }
}

void check_mtu(const View& view, std::vector<Finding>* findings) {
  const int mtu = view.m.mtu;
  const std::string pair = view.here.name + " " + view.there.name;
  if (mtu > 0 && mtu < kUsualMtu)
    findings->push_back(
        {.problem = fmt::format("{} - {}: the path takes packets of {} bytes only: a tunnel, or a wrong MTU", view.here.name, view.there.name, mtu),
         .gain = fmt::format("{:.1f} % more rate with {} bytes", 100 * (payload_share(kUsualMtu) / payload_share(mtu) - 1), kUsualMtu),
         .key = "mtu " + pair});
  if (mtu == kUsualMtu && (view.rate > kFastLink || std::max(view.here.device_mtu, view.there.device_mtu) >= kJumboMtu))
    findings->push_back(
        {.problem = fmt::format(
             "{} - {}: packets have {} bytes{}", view.here.name, view.there.name, mtu,
             view.here.device_mtu == view.there.device_mtu
                 ? ""
                 : fmt::format(", the devices {} at {} and {} at {}", view.here.device_mtu, view.here.name, view.there.device_mtu, view.there.name)),
         .gain = fmt::format("jumbo frames ({} bytes at every hop: ask who runs the link) carry {:.1f} % more and cost a sixth of the packets",
                             kJumboMtu, 100 * (payload_share(kJumboMtu) / payload_share(kUsualMtu) - 1)),
         .wrong = false,
         .key = "jumbo " + pair});
}

void check_jitter(const View& view, std::vector<Finding>* findings) {
  for (const auto& [from, to, spread] : {std::tuple{&view.here, &view.there, view.m.up}, std::tuple{&view.there, &view.here, view.m.down}}) {
    if (spread.p95 <= std::max(view.m.least_rtt / 16, 2 * kMillisecond)) continue;
    findings->push_back(
        {.problem = fmt::format("{} -> {}: one small message in twenty comes {} late or more although hardly anything is sent: others fill a queue "
                                "on the way, or a machine is busy",
                                from->name, to->name, ms_text(spread.p95)),
         .gain = fmt::format("small calls take up to {} less", ms_text(spread.p95)),
         .key = fmt::format("jitter {} {}", from->name, to->name)});
  }
}

void check_queue(const View& view, std::vector<Finding>* findings) {
  const auto most = std::max_element(view.m.capacity.begin(), view.m.capacity.end(), [](const Capacity& a, const Capacity& b) {
    return std::max(a.rtt_up, a.rtt_down) < std::max(b.rtt_up, b.rtt_down);
  });
  if (most == view.m.capacity.end()) return;
  const TimeNs full = std::max(most->rtt_up, most->rtt_down);
  if (full <= 2 * view.m.least_rtt + 10 * kMillisecond) return;
  findings->push_back(
      {.problem = fmt::format("{} - {}: with {} stream{} a queue on the way fills and the round trip grows from {} to {}", view.here.name,
                              view.there.name, most->streams, most->streams == 1 ? "" : "s", ms_text(view.m.least_rtt), ms_text(full)),
       .command = "rate_limit as below    # under [wan]",
       .gain = fmt::format("a small message beside a large call takes {} less", ms_text(full - view.m.least_rtt)),
       .wrong = false,
       .key = "queue",
       .weight = static_cast<double>(full)});
}

void check_directions(const View& view, std::vector<Finding>* findings) {
  const double less = std::min(view.up, view.down), more = std::max(view.up, view.down);
  const bool up = view.up < view.down;
  const Losses& losses = up ? view.m.loss_up : view.m.loss_down;
  if (less >= 0.8 * more || losses.lost > 0) return;  // losses explain it, and are said
  const Facts &slow = up ? view.here : view.there, &fast = up ? view.there : view.here;
  findings->push_back({.problem = fmt::format("{} -> {} carries {}, the other way {}", slow.name, fast.name, rate_text(less), rate_text(more)),
                       .gain = fmt::format("calls send as much both ways and wait for the slower: up to {:.1f} times as fast; ask who runs the link",
                                           more / std::max(1.0, less)),
                       .key = fmt::format("directions {} {}", view.here.name, view.there.name)});
}

/// One connection that is far below what several carry, though nothing at its ends limits it.
void check_single(const View& view, std::vector<Finding>* findings) {
  const Capacity* best = enough(view.m);
  if (best == nullptr || best->streams == view.m.capacity.front().streams || view.m.capacity.front().streams != 1) return;
  const double one = std::min(view.m.capacity.front().up, view.m.capacity.front().down);
  const double needed = view.rate / 8 * static_cast<double>(view.m.least_rtt) / 1e9 / kUsable;
  bool explained = view.m.loss_up.lost + view.m.loss_down.lost > 0;
  for (const Facts* end : {&view.here, &view.there})
    explained |= end->congestion != "bbr" ||
                 (end->most_send_buffer > 0 && static_cast<double>(std::min(end->most_send_buffer, end->most_receive_buffer)) < needed);
  if (explained || one >= 0.6 * view.rate) return;
  findings->push_back(
      {.problem = fmt::format(
           "{} - {}: one connection carries {}, {} carry {}: something on the way limits each connection (a policer, one of several lines)",
           view.here.name, view.there.name, rate_text(one), best->streams, rate_text(view.rate)),
       .gain = fmt::format("{} streams use the whole link", best->streams),
       .wrong = false,
       .key = fmt::format("single {} {}", view.here.name, view.there.name)});
}

}  // namespace

void check_path(const View& view, std::vector<Finding>* findings) {
  const std::string pair = view.here.name + " " + view.there.name;
  if (view.rate < 1e4 && !view.m.capacity.empty())
    findings->push_back(
        {.where = "every site",
         .problem = fmt::format("{} - {}: small messages arrive, large ones do not: packets that are too large for the path disappear",
                                view.here.name, view.there.name),
         .command = "sysctl -w net.ipv4.tcp_mtu_probing=1    # or let ICMP 'fragmentation needed' pass the firewalls",
         .gain = "without it the job stands still",
         .key = "black hole"});
  check_losses(view, findings);
  check_mtu(view, findings);
  check_jitter(view, findings);
  check_queue(view, findings);
  check_directions(view, findings);
  check_single(view, findings);
  if (std::abs(view.m.clock_offset) > kSecond + view.m.least_rtt / 2)
    findings->push_back({.where = "every site",
                         .problem = fmt::format("the clock of {} is {:.1f} s {} that of {}", view.there.name,
                                                std::abs(static_cast<double>(view.m.clock_offset)) / 1e9,
                                                view.m.clock_offset > 0 ? "ahead of" : "behind", view.here.name),
                         .command = "timedatectl set-ntp true",
                         .gain = "logs and traces of the sites can be compared",
                         .key = "clocks " + pair});
}

}  // namespace longhaul::doctor
