// SPDX-License-Identifier: Apache-2.0
// Tries many ports at once: connects without waiting, one deadline for all.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

struct Targets {
  config::HostPort address;  ///< of the site
  std::string data_host;
  std::vector<int> ports;  ///< at data_host
};

/// Takes 4 s where some do not answer (time for two repeated SYNs), a round trip where all do. An unknown host makes its ports Unreachable.
Sweep sweep(const Targets& targets);

}  // namespace longhaul::doctor
