// SPDX-License-Identifier: Apache-2.0
// The emulator as a process: namespaces, hub and control socket, until told to stop.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "emulate/path.h"

namespace longhaul::emulate {

struct UpOptions {
  std::string name = "default";
  std::vector<std::string> sites;
  PathSettings settings;
  int mtu = 1500;
  std::uint64_t seed = 1;
  bool foreground = false;
};

/// Site names of "--sites": a count ("2": site0, site1) or names ("wisconsin,atlanta").
Result<std::vector<std::string>> parse_sites(const std::string& text);

/// Starts the emulator, in the background unless told otherwise, and prints how to use it. Exit status of the command.
int run_up(const UpOptions& options);

}  // namespace longhaul::emulate
