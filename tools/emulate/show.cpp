// SPDX-License-Identifier: Apache-2.0
// `longhaul emulate show`: what the links carry now, what was lost and why, and whether the emulator itself kept up.
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "emulate/commands.h"
#include "emulate/control.h"

namespace longhaul::emulate {
namespace {

using nlohmann::json;

double number(const json& object, const char* name) { return object.value(name, 0.0); }

std::string rate_now(const json& link, const json* before, double seconds) {
  if (!before || seconds <= 0) return "-";
  const double bytes = number(link["counters"], "delivered_bytes") - number((*before)["counters"], "delivered_bytes");
  return fmt::format("{:.1f}", bytes * 8 / seconds / 1e6);
}

std::string share(double part, double whole) { return whole > 0 ? fmt::format("{:.3f}%", 100 * part / whole) : "-"; }

/// One sentence: was it the link, or the emulator?
std::string verdict(const json& state) {
  double takes = 0, late = 0, worst = 0;
  for (const json& link : state["links"]) {
    takes += number(link["counters"], "takes");
    late += number(link["counters"], "late_takes");
    worst = std::max(worst, number(link["counters"], "worst_lateness_ns"));
  }
  const double cpu = number(state, "cpu_s"), up = number(state, "uptime_ns") / 1e9;
  const std::string cost = fmt::format("{:.1f} s CPU in {:.0f} s", cpu, up);
  if (number(state, "refused_writes") > 0)
    return fmt::format("a site did not take {:.0f} packets: the emulator was a bottleneck ({})", number(state, "refused_writes"), cost);
  if (takes > 0 && late / takes > 0.01)
    return fmt::format("the emulator was a bottleneck: {} of its deliveries were over 1 ms late, the worst {:.1f} ms ({}): give it a core, or a lower rate",
                       share(late, takes), worst / 1e6, cost);
  return fmt::format("the emulator kept up: {} of its deliveries were over 1 ms late, the worst {:.1f} ms ({})", share(late, takes), worst / 1e6, cost);
}

std::string picture(const json& state, const json* before) {
  const double seconds = before ? (number(state, "now_ns") - number(*before, "now_ns")) / 1e9 : 0;
  std::string text = fmt::format("{:<25} {:>10} {:>9} {:>9} {:>10} {:>9} {:>9} {:>8} {:>8} {:>10}\n", "link", "rate", "delay", "now Mb/s",
                                 "queue KiB", "lost", "dropped", "outage", "reorder", "mean late");
  for (std::size_t i = 0; i < state["links"].size(); ++i) {
    const json& link = state["links"][i];
    const json& c = link["counters"];
    const json* old = before ? &(*before)["links"][i] : nullptr;
    const double offered = number(c, "offered_packets"), takes = number(c, "takes");
    text += fmt::format("{:<25} {:>10} {:>9} {:>9} {:>10.0f} {:>9} {:>9} {:>8.0f} {:>8.0f} {:>7.0f} us\n",
                        link["from"].get<std::string>() + " -> " + link["to"].get<std::string>() + (link.value("down", false) ? " DOWN" : ""),
                        link["settings"].value("rate", "") == "0" ? "unlimited" : link["settings"].value("rate", ""),
                        link["settings"].value("delay", ""), rate_now(link, old, seconds), number(link, "backlog_bytes") / 1024,
                        share(number(c, "lost"), offered), share(number(c, "queue_drops"), offered), number(c, "outage_drops"),
                        number(c, "reordered"), takes > 0 ? number(c, "total_lateness_ns") / takes / 1e3 : 0);
  }
  return text + verdict(state) + "\n";
}

}  // namespace

int run_show(const ShowOptions& options) {
  Result<json> state = ask(options.name, {{"ask", "state"}});
  if (!state.ok()) {
    std::fprintf(stderr, "longhaul emulate show: %s\n", state.status().text().c_str());
    return 1;
  }
  if (options.json) return std::printf("%s\n", state->dump(2).c_str()), 0;
  const bool live = !options.once && ::isatty(STDOUT_FILENO);
  // Also a single picture needs two looks, for the rate now.
  for (bool first = true;; first = false) {
    ::usleep(first ? 500000 : 1000000);
    Result<json> next = ask(options.name, {{"ask", "state"}});
    if (!next.ok()) return live ? (std::printf("the emulator has ended\n"), 0) : 1;
    std::printf("%s%s%s", live ? "\033[H\033[2J" : "", picture(*next, &*state).c_str(), live ? "Ctrl-C ends this view, not the emulator\n" : "");
    std::fflush(stdout);
    if (!live) return 0;
    state = std::move(next);
  }
}

}  // namespace longhaul::emulate
