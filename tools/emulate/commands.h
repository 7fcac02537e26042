// SPDX-License-Identifier: Apache-2.0
// The commands that talk to a running emulator. Each returns the exit status and prints its own errors.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace longhaul::emulate {

struct ShowOptions {
  std::string name = "default";
  bool json = false;
  bool once = false;  ///< no live view; also where the output is no terminal
};

int run_show(const ShowOptions& options);
int run_set(const std::string& name, const std::string& from, const std::string& to, const std::map<std::string, std::string>& settings);
int run_down(const std::string& name);
/// Replaces this process by the command, inside the site.
int run_exec(const std::string& name, const std::string& site, const std::vector<std::string>& command);

}  // namespace longhaul::emulate
