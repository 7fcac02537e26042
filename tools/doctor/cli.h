// SPDX-License-Identifier: Apache-2.0
// `longhaul doctor`: what is between two sites, what is wrong with it, what to type. docs/doctor.md.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace longhaul::doctor {

void add_commands(CLI::App* app, std::function<int()>* run);

}  // namespace longhaul::doctor
