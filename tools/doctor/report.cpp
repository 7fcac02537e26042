// SPDX-License-Identifier: Apache-2.0
#include "doctor/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "doctor/findings.h"
#include "doctor/ports.h"
#include "doctor/statistics.h"

namespace longhaul::doctor {
namespace {

const Facts& site(const Report& report, int index) { return report.sites[static_cast<std::size_t>(index)]; }

std::string findings_text(const std::vector<Finding>& findings) {
  std::string text;
  int number = 0;
  bool noted = false, sysctl = false;
  for (const Finding& f : findings) {
    if (!f.wrong && !noted) text += "Worth knowing\n";
    noted |= !f.wrong;
    sysctl |= f.command.starts_with("sysctl");
    text += f.wrong ? fmt::format("{:>2}. {}\n", ++number, f.problem) : fmt::format("  - {}\n", f.problem);
    const bool place = !f.where.empty() && f.where != "here" && f.where != "there";
    if (!f.command.empty()) text += fmt::format("      {}:  {}\n", place ? "at " + f.where : "type", f.command);
    text += fmt::format("      gain:  {}\n", f.gain);
  }
  if (sysctl)
    text +=
        "(sysctl -w lasts until the next start: to keep them, write the lines without 'sysctl -w' and quotes to /etc/sysctl.d/90-longhaul.conf)\n";
  if (!text.empty()) text += "\n";
  return text;
}

std::string ports_text(const Facts& owner, const Sweep& sweep) {
  std::string text = fmt::format("{} {}", owner.address, port_text(sweep.address));
  if (sweep.data.empty()) return text;
  const bool elsewhere = owner.address.substr(0, owner.address.rfind(':')) != owner.data_host;
  return text + fmt::format("; data{}: {}{}", elsewhere ? " at " + owner.data_host : "",
                            owner.any_port ? fmt::format("any port, {} tried: ", sweep.data.size()) : "", sweep_text(sweep));
}

std::string spread_text(const Spread& spread) {
  return fmt::format("{} median, {} at the 95th percentile, {} most", ms_text(spread.median), ms_text(spread.p95), ms_text(spread.most));
}

std::string path_text(const Measured& m, const Facts& here, const Facts& there) {
  const std::string congestion = here.congestion == there.congestion
                                     ? fmt::format("{} at both ends", here.congestion)
                                     : fmt::format("{} at {}, {} at {}", here.congestion, here.name, there.congestion, there.name);
  return fmt::format("packets of {} bytes; {}; clocks {:.1f} ms apart (give or take {:.1f})", m.mtu, congestion,
                     std::abs(static_cast<double>(m.clock_offset)) / 1e6, static_cast<double>(m.least_rtt) / 2e6);
}

std::string capacity_text(const Measured& m, const std::string& up, const std::string& down) {
  const std::string columns = "rate           sent again  round trip";
  const std::size_t width = std::max(up.size(), columns.size());
  const auto half = [](double rate, double resent, TimeNs rtt) {
    return fmt::format("{:<13} {:>9.2f} %  {}", rate_text(rate), resent * 100, ms_text(rtt));
  };
  std::string text = fmt::format("\n           {:<{}}  {}\n", up, width, down);
  text += fmt::format("  streams  {:<{}}  {}\n", columns, width, columns);
  for (const Capacity& c : m.capacity)
    text += fmt::format("  {:>7}  {:<{}}  {}\n", c.streams, half(c.up, c.resent_up, c.rtt_up), width, half(c.down, c.resent_down, c.rtt_down));
  return text;
}

std::string link_text(const Report& report, const Link& link) {
  const Facts &here = site(report, link.from), &there = site(report, link.to);
  const Measured& m = link.measured;
  const std::string up = fmt::format("{} -> {}", here.name, there.name), down = fmt::format("{} -> {}", there.name, here.name);
  std::string text = fmt::format("{} - {}\n", here.name, there.name);
  const auto line = [&](const char* subject, const std::string& what) { text += fmt::format("  {:<11} {}\n", subject, what); };
  const auto both = [&](const char* subject, const std::string& there_is, const std::string& back) {
    const std::size_t width = std::max(up.size(), down.size());
    line(subject, fmt::format("{:<{}}  {}", up, width, there_is));
    line("", fmt::format("{:<{}}  {}", down, width, back));
  };
  if (link.swept) both("ports", ports_text(there, link.up), ports_text(here, link.down));
  if (!link.error.empty()) {
    line("not measured", link.error);
    return text + "\n";
  }
  line("round trip", fmt::format("{} least, {} median, {} at the 95th percentile", ms_text(m.least_rtt), ms_text(m.median_rtt), ms_text(m.p95_rtt)));
  both("jitter", spread_text(m.up) + ", above the least one-way delay", spread_text(m.down));
  both("loss", loss_text(m.loss_up) + ", at a tenth of the rate", loss_text(m.loss_down));
  line("path", path_text(m, here, there));
  return text + capacity_text(m, up, down) + "\n";
}

double ms(TimeNs time) { return static_cast<double>(time) / 1e6; }

nlohmann::json spread_json(const Spread& spread) {
  return {{"median_ms", ms(spread.median)}, {"p95_ms", ms(spread.p95)}, {"most_ms", ms(spread.most)}, {"clock_drift_ppm", spread.drift_ppm}};
}

nlohmann::json losses_json(const Losses& losses) {
  return {{"segments", losses.segments},
          {"lost", losses.lost},
          {"share", loss_share(losses)},
          {"below", losses.lost == 0 ? nlohmann::json(loss_bound(losses)) : nlohmann::json()}};
}

nlohmann::json sweep_json(const Sweep& sweep) {
  nlohmann::json out{{"address", sweep.address}};
  for (const Port state : {Port::Open, Port::Refused, Port::Silent, Port::Unreachable})
    out["data"][nlohmann::json(state).get<std::string>()] = in_state(sweep, state);
  return out;
}

nlohmann::json link_json(const Report& report, const Link& link) {
  const Measured& m = link.measured;
  nlohmann::json out{{"from", site(report, link.from).name}, {"to", site(report, link.to).name}};
  if (link.swept) out["ports"] = {{"of_to", sweep_json(link.up)}, {"of_from", sweep_json(link.down)}};
  if (!link.error.empty()) {
    out["error"] = link.error;
    return out;
  }
  out["rtt_ms"] = {{"least", ms(m.least_rtt)}, {"median", ms(m.median_rtt)}, {"p95", ms(m.p95_rtt)}};
  out["jitter"] = {{"up", spread_json(m.up)}, {"down", spread_json(m.down)}};
  out["loss"] = {{"up", losses_json(m.loss_up)}, {"down", losses_json(m.loss_down)}};
  out["clock_offset_ms"] = ms(m.clock_offset);
  out["mtu"] = m.mtu;
  out["rate_bits_per_s"] = best_rate(m);
  out["enough_streams"] = enough(m) ? enough(m)->streams : 0;
  out["capacity"] = nlohmann::json::array();
  for (const Capacity& c : m.capacity)
    out["capacity"].push_back({{"streams", c.streams},
                               {"up_bits_per_s", c.up},
                               {"down_bits_per_s", c.down},
                               {"resent_up", c.resent_up},
                               {"resent_down", c.resent_down},
                               {"rtt_up_ms", ms(c.rtt_up)},
                               {"rtt_down_ms", ms(c.rtt_down)}});
  return out;
}

}  // namespace

std::string text_of(const Report& report) {
  std::string text = verdict(report) + "\n\n" + findings_text(find(report));
  for (const Link& link : report.links) text += link_text(report, link);
  const std::vector<Finding> findings = find(report);
  const bool wrong = !findings.empty() && findings.front().wrong;
  if (const std::string wan = proposal(report); !wan.empty())
    text += fmt::format("For the configuration of every rank{}:\n\n[wan]\n{}", wrong ? ", as things are (mend them, then run this again)" : "", wan);
  return text;
}

std::string json_of(const Report& report) {
  nlohmann::json out{{"verdict", verdict(report)},
                     {"wan", proposal(report)},
                     {"sites", report.sites},
                     {"links", nlohmann::json::array()},
                     {"findings", nlohmann::json::array()}};
  for (nlohmann::json& one : out["sites"]) one.erase("shared");
  for (const Link& link : report.links) out["links"].push_back(link_json(report, link));
  for (const Finding& f : find(report))
    out["findings"].push_back({{"wrong", f.wrong}, {"where", f.where}, {"problem", f.problem}, {"command", f.command}, {"gain", f.gain}});
  return out.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace longhaul::doctor
