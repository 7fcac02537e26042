// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace longhaul::emulate {

/// Adds `emulate` and its commands. After parsing, *run is the command to carry out, where one of them was chosen.
void add_commands(CLI::App* app, std::function<int()>* run);

}  // namespace longhaul::emulate
