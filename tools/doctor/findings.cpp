// SPDX-License-Identifier: Apache-2.0
#include "doctor/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "doctor/checks.h"
#include "doctor/statistics.h"

namespace longhaul::doctor {
namespace {

constexpr double kNearBest = 0.95;

const Facts& site(const Report& report, int index) { return report.sites[static_cast<std::size_t>(index)]; }

std::vector<const Link*> measured_links(const Report& report) {
  std::vector<const Link*> links;
  for (const Link& link : report.links)
    if (link.error.empty()) links.push_back(&link);
  return links;
}

void check_link(const Report& report, const Link& link, std::vector<Finding>* findings) {
  const Facts &here = site(report, link.from), &there = site(report, link.to);
  check_settings(here, there, findings);
  if (link.swept) {
    check_ports(report, link.up, link.from, link.to, findings);
    check_ports(report, link.down, link.to, link.from, findings);
  }
  if (!link.error.empty()) return;
  View view{link.measured, here, there, best_rate(link.measured), 0, 0};
  for (const Capacity& c : link.measured.capacity) {
    view.up = std::max(view.up, c.up);
    view.down = std::max(view.down, c.down);
  }
  check_congestion(view, findings);
  check_buffers(view, findings);
  check_idle(view, findings);
  check_switches(view, findings);
  check_path(view, findings);
}

std::string number_text(std::size_t number) {
  constexpr const char* kWords[] = {"nothing", "one thing", "two things", "three things", "four things", "five things"};
  return number < std::size(kWords) ? kWords[number] : fmt::format("{} things", number);
}

/// How many connections the library makes for one pair of ranks.
int automatic_streams(TimeNs rtt, bool bbr) {
  const TimeNs each = bbr ? 10 * kMillisecond : 10 * kMillisecond / 8;
  return static_cast<int>(std::clamp<TimeNs>((rtt + each - 1) / each, 2, 16));
}

}  // namespace

const Capacity* enough(const Measured& measured) {
  const std::vector<Capacity>& all = measured.capacity;
  double best = 0;
  for (const Capacity& c : all) best = std::max(best, std::min(c.up, c.down));
  const auto found = std::find_if(all.begin(), all.end(), [&](const Capacity& c) { return std::min(c.up, c.down) >= kNearBest * best; });
  return found == all.end() ? nullptr : &*found;
}

double best_rate(const Measured& measured) {
  const Capacity* best = enough(measured);
  return best ? std::min(best->up, best->down) : 0;
}

std::vector<Finding> find(const Report& report) {
  std::vector<Finding> all, kept;
  for (const Link& link : report.links) check_link(report, link, &all);
  for (Finding& finding : all) {
    const auto same = std::find_if(kept.begin(), kept.end(), [&](const Finding& f) { return f.key == finding.key && f.where == finding.where; });
    if (same == kept.end())
      kept.push_back(std::move(finding));
    else if (finding.weight > same->weight)
      *same = std::move(finding);
  }
  std::stable_partition(kept.begin(), kept.end(), [](const Finding& f) { return f.wrong; });
  return kept;
}

std::string verdict(const Report& report) {
  const std::vector<const Link*> links = measured_links(report);
  std::string text;
  if (links.empty()) {
    text = report.links.size() == 1 ? "The link could not be measured" : "No link could be measured";
  } else {
    double slowest = HUGE_VAL, fastest = 0;
    TimeNs nearest = kNever, farthest = 0;
    for (const Link* link : links) {
      slowest = std::min(slowest, best_rate(link->measured));
      fastest = std::max(fastest, best_rate(link->measured));
      nearest = std::min(nearest, link->measured.least_rtt);
      farthest = std::max(farthest, link->measured.least_rtt);
    }
    text = links.size() == 1 && report.links.size() == 1 ? fmt::format("The link carries {} at {}", rate_text(slowest), ms_text(farthest))
                                                         : fmt::format("{} links carry {} to {} at {} to {}", links.size(), rate_text(slowest),
                                                                       rate_text(fastest), ms_text(nearest), ms_text(farthest));
    if (links.size() < report.links.size()) text += fmt::format(", {} could not be measured", report.links.size() - links.size());
  }
  const std::vector<Finding> findings = find(report);
  const auto wrong = static_cast<std::size_t>(std::count_if(findings.begin(), findings.end(), [](const Finding& f) { return f.wrong; }));
  return fmt::format("{}; {} {} wrong{}.", text, number_text(wrong), wrong > 1 ? "are" : "is", wrong == 0 ? " that can be seen from here" : "");
}

std::string proposal(const Report& report) {
  double rate = HUGE_VAL, window = 0;
  int streams = 0, most_streams = 0;
  for (const Link* link : measured_links(report)) {
    const Measured& m = link->measured;
    rate = std::min(rate, best_rate(m));
    window = std::max(window, 3 * best_rate(m) / 8 * static_cast<double>(m.least_rtt) / 1e9);
    const Capacity* best = enough(m);
    const bool bbr = site(report, link->from).congestion == "bbr" && site(report, link->to).congestion == "bbr";
    most_streams = std::max(most_streams, best ? best->streams : 0);
    if (best && best->streams > automatic_streams(m.least_rtt, bbr)) streams = std::max(streams, std::min(best->streams, 16));
  }
  if (rate <= 0 || rate == HUGE_VAL) return "";
  std::string text =
      fmt::format("rate_limit = \"{:.0f}mbit\"         # 98 % of what {} carried\n", std::max(1.0, 0.98 * rate / 1e6),
                  report.links.size() == 1 ? fmt::format("{} stream{}", most_streams, most_streams == 1 ? "" : "s") : "the slowest link");
  if (window > 16 << 20) text += fmt::format("window = \"{}MiB\"\n", std::uint64_t{1} << static_cast<int>(std::ceil(std::log2(window / (1 << 20)))));
  if (streams > 0) text += fmt::format("streams = {}                  # with one rank a site; divide by the ranks of a site\n", streams);
  if (rate > 4e9) text += "chunk = \"4MiB\"              # fewer, larger pieces for a fast link\n";
  return text;
}

}  // namespace longhaul::doctor
