// SPDX-License-Identifier: Apache-2.0
// Checks of what a job needs to start: equal settings, open ports.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "config/config.h"
#include "doctor/checks.h"
#include "doctor/ports.h"

namespace longhaul::doctor {
namespace {

constexpr const char* kUsualRange = "47001-47063";

std::string open_command(std::vector<int> ports) {
  std::string list = ranges_text(ports);
  list.erase(std::remove(list.begin(), list.end(), ' '), list.end());
  std::replace(list.begin(), list.end(), '-', ':');
  const bool several = list.find(',') != std::string::npos;
  return fmt::format("iptables -I INPUT -p tcp {} {} -j ACCEPT", several ? "-m multiport --dports" : "--dport", list);
}

/// Nobody but the doctor listens there, so a refusal comes from somewhere on the way.
const char* cause(Port state) {
  switch (state) {
    case Port::Silent:
      return "a firewall drops what comes";
    case Port::Refused:
      return "a firewall rejects it, or the address leads to another machine: doctor listens there";
    default:
      return "something on the way answers for it";
  }
}

void check_address(const Facts& seer, const Facts& owner, Port state, bool needed, std::vector<Finding>* findings) {
  if (state == Port::Open) return;
  const std::string port = owner.address.substr(owner.address.rfind(':') + 1);
  findings->push_back(
      {.where = owner.name,
       .problem = fmt::format("{} does not reach {} of {}: {} ({})", seer.name, owner.address, owner.name, port_text(state), cause(state)),
       .command = open_command({std::atoi(port.c_str())}) + "    # or in the firewall before it",
       .gain = needed ? "without it the job does not start: later sites dial earlier ones"
                      : "none for the job, in which later sites dial earlier ones; doctor measured from the other end",
       .wrong = needed,
       .key = "address port"});
}

void check_none_open(const Facts& seer, const Facts& owner, Port address, Port state, std::vector<Finding>* findings) {
  const std::string host = owner.address.substr(0, owner.address.rfind(':'));
  Finding finding{.where = owner.name, .gain = "without it the job does not start", .key = "data ports", .weight = 1e6};
  if (address == Port::Open && host != owner.data_host) {
    finding.problem = fmt::format("ranks of {} tell the others to dial {} for data, and {} gets no connection there, while {} works", owner.name,
                                  owner.data_host, seer.name, host);
    finding.command = fmt::format("advertise = \"{}\"    # in the [[site]] table of {}", host, owner.name);
  } else if (owner.any_port) {
    finding.problem = fmt::format("wan.ports is not set, so ranks of {} listen at ports that the system chooses; from {}: {} ({})", owner.name,
                                  seer.name, port_text(state), cause(state));
    finding.command = fmt::format("ports = \"{}\"    # under [wan], and open these in the firewall", kUsualRange);
  } else {
    finding.problem = fmt::format("{} reaches none of the data ports {} of {}: {} ({})", seer.name, ranges_text(owner.ports), owner.name,
                                  port_text(state), cause(state));
    finding.command = open_command(owner.ports) + "    # or in the firewall before it";
  }
  findings->push_back(std::move(finding));
}

}  // namespace

void check_settings(const Facts& here, const Facts& there, std::vector<Finding>* findings) {
  if (here.shared.empty() || there.shared.empty() || here.shared == there.shared) return;
  std::string differences;
  std::istringstream lines(config::difference(here.shared, there.shared, there.name));
  for (std::string line; std::getline(lines, line);) {
    if (const auto at = line.find(" here, "); at != std::string::npos) line.replace(at, 6, fmt::format(" at {},", here.name));
    differences += (differences.empty() ? "" : "; ") + line;
  }
  findings->push_back({.where = there.name,
                       .problem = fmt::format("the configurations of {} and {} differ: {}", here.name, there.name, differences),
                       .command = "give every site the same file",
                       .gain = "without it the job does not start",
                       .key = "settings"});
}

void check_ports(const Report& report, const Sweep& sweep, int seer_index, int owner_index, std::vector<Finding>* findings) {
  const Facts &seer = report.sites[static_cast<std::size_t>(seer_index)], &owner = report.sites[static_cast<std::size_t>(owner_index)];
  check_address(seer, owner, sweep.address, owner_index < seer_index, findings);
  std::vector<int> closed;
  Port state = Port::Open;
  for (const auto& [port, is] : sweep.data) {
    if (is == Port::Open) continue;
    closed.push_back(port);
    state = is;
  }
  if (!closed.empty() && closed.size() == sweep.data.size()) {
    check_none_open(seer, owner, sweep.address, state, findings);
  } else if (!closed.empty()) {
    const std::string open = longest_open(sweep);
    findings->push_back({.where = owner.name,
                         .problem = fmt::format("data ports of {} from {}: {} ({})", owner.name, seer.name, sweep_text(sweep), cause(state)),
                         .command = open_command(closed) + (open.empty() ? "" : fmt::format("    # or ports = \"{}\" in its [[site]] table", open)),
                         .gain = "a rank that listens at one of these ports is not reached, and the job does not start",
                         .key = "data ports",
                         .weight = static_cast<double>(closed.size())});
  }
  if (!owner.taken.empty())
    findings->push_back({.where = owner.name,
                         .problem = fmt::format("other programs of {} use {} of wan.ports; each rank needs two of the {} that are left", owner.name,
                                                ranges_text(owner.taken), owner.ports.size()),
                         .gain = "none, while there are enough for the ranks of a machine",
                         .wrong = owner.ports.size() < 2,
                         .key = "taken ports"});
}

}  // namespace longhaul::doctor
