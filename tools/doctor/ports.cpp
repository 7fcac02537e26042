// SPDX-License-Identifier: Apache-2.0
#include "doctor/ports.h"

#include <fmt/format.h>

#include <algorithm>

namespace longhaul::doctor {

std::vector<int> ports_to_try(config::PortRange range) {
  std::vector<int> ports;
  if (range.first == 0) return ports;
  const int count = range.last - range.first + 1, tried = std::min(count, kMostPorts);
  for (int i = 0; i < tried; ++i) ports.push_back(range.first + (tried == 1 ? 0 : i * (count - 1) / (tried - 1)));
  return ports;
}

std::string ranges_text(const std::vector<int>& ports) {
  std::string text;
  for (std::size_t first = 0, last = 0; first < ports.size(); first = last = last + 1) {
    while (last + 1 < ports.size() && ports[last + 1] == ports[last] + 1) ++last;
    text += fmt::format("{}{}", text.empty() ? "" : ", ", ports[first]);
    if (last > first) text += fmt::format("-{}", ports[last]);
  }
  return text;
}

std::vector<int> in_state(const Sweep& sweep, Port state) {
  std::vector<int> ports;
  for (const auto& [port, is] : sweep.data)
    if (is == state) ports.push_back(port);
  return ports;
}

std::string sweep_text(const Sweep& sweep) {
  std::string text;
  for (const Port state : {Port::Open, Port::Silent, Port::Refused, Port::Unreachable})
    if (const std::vector<int> ports = in_state(sweep, state); !ports.empty())
      text += fmt::format("{}{}{}{}", text.empty() ? "" : ", ", ranges_text(ports), state == Port::Open ? " " : ": ", port_text(state));
  return text;
}

std::string longest_open(const Sweep& sweep) {
  int best_first = 0, best_length = 0, first = 0, length = 0;
  for (const auto& [port, state] : sweep.data) {
    if (state != Port::Open) {
      length = 0;
      continue;
    }
    if (length++ == 0) first = port;
    if (length <= best_length) continue;
    best_first = first;
    best_length = length;
  }
  if (best_length < 2) return "";
  // Where only some of a wide range were tried, neighbours among those may be far apart.
  const int last = std::next(sweep.data.find(best_first), best_length - 1)->first;
  return fmt::format("{}-{}", best_first, last);
}

const char* port_text(Port state) {
  switch (state) {
    case Port::Open:
      return "reachable";
    case Port::Refused:
      return "refused";
    case Port::Silent:
      return "no answer";
    case Port::Unreachable:
      break;
  }
  return "a router or firewall rejects it";
}

}  // namespace longhaul::doctor
