// SPDX-License-Identifier: Apache-2.0
// Checks of the two machines: congestion control, buffers, switches of TCP.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "doctor/checks.h"
#include "doctor/statistics.h"

namespace longhaul::doctor {
namespace {

/// Where buffers are small, the rate that was measured is theirs and not the link's. It is a maximum and costs nothing.
constexpr double kLeastAdvice = 16 << 20;
constexpr std::uint64_t kCall = 1 << 20;

std::uint64_t power_of_two(double bytes) { return std::uint64_t{1} << static_cast<int>(std::ceil(std::log2(bytes))); }

/// `rate`: what the link carries in the direction that the buffer is for.
void check_buffer(const View& view, const Facts& end, bool sends, double rate, std::vector<Finding>* findings) {
  const std::uint64_t most = sends ? end.most_send_buffer : end.most_receive_buffer;
  const double needed = rate / 8 * static_cast<double>(view.m.least_rtt) / 1e9 / kUsable;
  if (most == 0 || static_cast<double>(most) >= needed) return;
  const double one = kUsable * static_cast<double>(most) * 8e9 / static_cast<double>(std::max<TimeNs>(1, view.m.least_rtt));
  const char* name = sends ? "tcp_wmem" : "tcp_rmem";
  findings->push_back({.where = end.name,
                       .problem = fmt::format("{}: the {} buffer of a connection is at most {} ({}), and {} over {} need {}", end.name,
                                              sends ? "send" : "receive", bytes_text(static_cast<double>(most)), name, rate_text(rate),
                                              ms_text(view.m.least_rtt), bytes_text(needed)),
                       .command = fmt::format("sysctl -w net.ipv4.{}=\"{} {}\"", name, sends ? "4096 65536" : "4096 131072",
                                              power_of_two(std::max(kLeastAdvice, needed * 2))),
                       .gain = fmt::format("one connection {} carries the whole link instead of about {}; fewer streams are needed",
                                           sends ? "from there" : "to there", rate_text(one)),
                       .key = name,
                       .weight = needed});
}

}  // namespace

void check_congestion(const View& view, std::vector<Finding>* findings) {
  for (const auto& [end, losses, rate] : {std::tuple{&view.here, view.m.loss_up, view.up}, std::tuple{&view.there, view.m.loss_down, view.down}}) {
    if (end->congestion == "bbr") continue;
    const bool lossy = losses.lost > 0;
    const double loss = lossy ? loss_share(losses) : 1e-4;
    const double one = loss_based_rate(end->congestion, view.m.least_rtt, loss);
    const std::string with = one < rate || lossy ? fmt::format("about {} in the long run", rate_text(one)) : "as much";
    findings->push_back(
        {.where = end->name,
         .problem = fmt::format("{}: connections use {}, which takes every lost packet for a full link; {}", end->name, end->congestion,
                                lossy ? fmt::format("it loses {}", loss_text(losses)) : "nothing was lost while this ran"),
         .command = end->bbr_allowed ? "congestion = \"auto\"    # under [wan]: bbr"
                                     : "modprobe tcp_bbr; sysctl -w net.ipv4.tcp_allowed_congestion_control=\"reno cubic bbr\"",
         .gain =
             fmt::format("with bbr one connection carries the whole link, with {} {}{}", end->congestion, with, lossy ? "" : " at a loss of 0.01 %"),
         .wrong = lossy || !end->bbr_allowed,
         .key = "congestion",
         .weight = loss_share(losses)});
  }
}

void check_buffers(const View& view, std::vector<Finding>* findings) {
  check_buffer(view, view.here, true, view.up, findings);
  check_buffer(view, view.here, false, view.down, findings);
  check_buffer(view, view.there, true, view.down, findings);
  check_buffer(view, view.there, false, view.up, findings);
}

void check_idle(const View& view, std::vector<Finding>* findings) {
  for (const auto& [end, rate] : {std::pair{&view.here, view.up}, std::pair{&view.there, view.down}}) {
    if (!end->slow_start_after_idle || end->congestion == "bbr") continue;  // bbr paces itself and does not look at it
    const TimeNs cost = slow_start_cost(kCall, view.m.least_rtt, rate);
    findings->push_back({.where = end->name,
                         .problem = fmt::format("{}: a connection that was idle starts slowly again (tcp_slow_start_after_idle)", end->name),
                         .command = "sysctl -w net.ipv4.tcp_slow_start_after_idle=0",
                         .gain = fmt::format("about {} less for the first 1 MiB after a pause", ms_text(cost)),
                         .key = "idle",
                         .weight = static_cast<double>(cost)});
  }
}

void check_switches(const View& view, std::vector<Finding>* findings) {
  for (const Facts* end : {&view.here, &view.there})
    for (const std::string& name : end->switched_off)
      findings->push_back({.where = end->name,
                           .problem = fmt::format("{}: {} is switched off", end->name, name),
                           .command = fmt::format("sysctl -w net.ipv4.{}=1", name),
                           .gain = name == "tcp_window_scaling" ? "a connection can have more than 64 KiB under way"
                                   : name == "tcp_sack"         ? "several losses of a round trip are repaired in one"
                                   : name == "tcp_timestamps"   ? "round trips are known for repeated packets too"
                                                                : "receive buffers grow with the link",
                           .key = name});
}

}  // namespace longhaul::doctor
