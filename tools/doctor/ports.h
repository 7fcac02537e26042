// SPDX-License-Identifier: Apache-2.0
// Which ports of a range are tried, and what is said about many of them in one line. Pure.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

constexpr int kMostPorts = 512;

/// All of them, or kMostPorts spread evenly with both ends; the same at every site. The range 0, 0 has none.
std::vector<int> ports_to_try(config::PortRange range);

/// "47001-47020, 47022".
std::string ranges_text(const std::vector<int>& ports);
/// The ports in that state.
std::vector<int> in_state(const Sweep& sweep, Port state);
/// "47001-47020 reachable, 47021-47063: no answer".
std::string sweep_text(const Sweep& sweep);
/// The longest run of neighbours among ports that were tried and are open, as a value of wan.ports; empty: fewer than two.
std::string longest_open(const Sweep& sweep);
/// "no answer".
const char* port_text(Port state);

}  // namespace longhaul::doctor
