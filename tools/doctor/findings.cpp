// SPDX-License-Identifier: Apache-2.0
#include "doctor/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace longhaul::doctor {
namespace {

constexpr double kMss = 1448;
/// Linux lets a connection have about two thirds of its buffer under way, the rest is bookkeeping: 281 Mbit/s over 80 ms with the
/// usual 4 MiB (docs/doctor.md).
constexpr double kUsable = 0.67;
/// Where buffers are small, the rate that was measured is theirs and not the link's. It is a maximum and costs nothing.
constexpr std::uint64_t kLeastAdvice = 16 << 20;
constexpr double kNearBest = 0.95;
/// Above this the streams overran a queue, and a repaired loss delivers at once all that waited for it: that looks too fast.
constexpr double kTrusted = 0.01;

double bytes_under_way(const Measured& m, double rate) { return rate / 8 * static_cast<double>(m.least_rtt) / 1e9; }

double per_stream(const Measured& m, std::uint64_t buffer) {
  return kUsable * static_cast<double>(buffer) * 8e9 / static_cast<double>(std::max<TimeNs>(1, m.least_rtt));
}

std::uint64_t power_of_two(double bytes) { return std::uint64_t{1} << static_cast<int>(std::ceil(std::log2(std::max(bytes, 65536.0)))); }

void check_buffers(const Measured& m, const Settings& end, const char* where, std::vector<Finding>* findings) {
  const double rate = best_rate(m), needed = bytes_under_way(m, rate) / kUsable;
  const std::uint64_t wanted = std::max(kLeastAdvice, power_of_two(needed * 2));
  const auto check = [&](const char* name, const char* small, std::uint64_t most) {
    if (most == 0 || static_cast<double>(most) >= needed) return;
    findings->push_back({fmt::format("{}: {} lets one connection have at most {} KiB, and {} over {:.1f} ms needs {:.0f}", where, name, most >> 10,
                                     rate_text(rate), static_cast<double>(m.least_rtt) / 1e6, needed / 1024),
                         fmt::format("sysctl -w net.ipv4.{}=\"{} {}\"", name, small, wanted),
                         fmt::format("one connection: from about {} to the whole link; fewer streams are needed", rate_text(per_stream(m, most)))});
  };
  check("tcp_wmem", "4096 65536", end.most_send_buffer);
  check("tcp_rmem", "4096 131072", end.most_receive_buffer);
}

void check_congestion(const Measured& m, const Settings& end, const char* where, std::vector<Finding>* findings) {
  if (end.bbr_allowed) return;
  double resent = 1e-5;
  for (const Capacity& c : m.capacity) resent = std::max(resent, c.resent);
  // Mathis et al. 1997: rate = MSS / RTT x 1.22 / sqrt(loss).
  const double one = kMss * 8 * 1.22 / std::sqrt(resent) * 1e9 / static_cast<double>(std::max<TimeNs>(1, m.least_rtt));
  findings->push_back({fmt::format("{}: this process may not use bbr; with {} one loss halves a connection", where, end.congestion),
                       "modprobe tcp_bbr; sysctl -w net.ipv4.tcp_allowed_congestion_control=\"reno cubic bbr\"",
                       fmt::format("one connection carries {} at a loss of {:.3f} %, with bbr the whole link", rate_text(one), resent * 100)});
}

}  // namespace

std::string rate_text(double bits) {
  return bits >= 1e9 ? fmt::format("{:.2f} Gbit/s", bits / 1e9) : bits >= 1e6 ? fmt::format("{:.0f} Mbit/s", bits / 1e6) : fmt::format("{:.0f} kbit/s", bits / 1e3);
}

const Capacity& enough(const Measured& measured) {
  const std::vector<Capacity>& all = measured.capacity;
  const bool any = std::any_of(all.begin(), all.end(), [](const Capacity& c) { return c.resent < kTrusted; });
  const auto rate = [any](const Capacity& c) { return !any || c.resent < kTrusted ? std::min(c.up, c.down) : 0; };
  double best = 0;
  for (const Capacity& c : all) best = std::max(best, rate(c));
  return *std::find_if(all.begin(), all.end(), [&](const Capacity& c) { return rate(c) >= kNearBest * best; });
}

double best_rate(const Measured& measured) {
  const Capacity& best = enough(measured);
  return std::min(best.up, best.down);
}

std::vector<Finding> find(const Measured& m) {
  std::vector<Finding> findings;
  check_congestion(m, m.here, "here", &findings);
  check_congestion(m, m.there, "there", &findings);
  check_buffers(m, m.here, "here", &findings);
  check_buffers(m, m.there, "there", &findings);
  for (const auto& [end, where] : {std::pair{&m.here, "here"}, std::pair{&m.there, "there"}})
    if (end->slow_start_after_idle && !end->bbr_allowed)
      findings.push_back({fmt::format("{}: a connection that was idle starts slowly again (tcp_slow_start_after_idle)", where),
                          "sysctl -w net.ipv4.tcp_slow_start_after_idle=0",
                          fmt::format("about {:.0f} ms for the first call after a pause", 5 * static_cast<double>(m.least_rtt) / 1e6)});
  if (m.mtu > 0 && m.mtu < 1500)
    findings.push_back({fmt::format("the path takes packets of {} bytes only: a tunnel or a wrong MTU", m.mtu), "",
                        fmt::format("{:.1f} % of the rate", 100 * (1 - (m.mtu - 52.0) / (m.mtu + 18) / (1448.0 / 1518)))});
  if (m.p95_rtt - m.least_rtt > std::max<TimeNs>(m.least_rtt / 4, 2 * kMillisecond))
    findings.push_back({fmt::format("the round trip varies by {:.1f} ms although nothing is sent: others fill a queue on the way, or a machine is busy",
                                    static_cast<double>(m.p95_rtt - m.least_rtt) / 1e6),
                        "", "small calls take as much longer"});
  if (std::abs(m.clock_offset) > kSecond)
    findings.push_back({fmt::format("the clocks differ by {:.1f} s", static_cast<double>(m.clock_offset) / 1e9), "timedatectl set-ntp true",
                        "logs and traces of the sites can be compared"});
  return findings;
}

std::string proposal(const Measured& m) {
  const double rate = best_rate(m);
  if (rate <= 0) return "";
  // All pairs of ranks share the streams that the link needs; 2 a pair is the automatic minimum.
  std::string text = fmt::format("rate_limit = \"{:.0f}mbit\"         # 98 % of what {} streams carried\n", std::max(1.0, 0.98 * rate / 1e6), enough(m).streams);
  if (const double window = 3 * bytes_under_way(m, rate); window > 16 << 20)
    text += fmt::format("window = \"{}MiB\"\n", power_of_two(window) >> 20);
  if (rate > 4e9) text += "chunk = \"4MiB\"              # fewer, larger pieces for a fast link\n";
  return text;
}

}  // namespace longhaul::doctor
