// SPDX-License-Identifier: Apache-2.0
// The machine that a result was measured on. Reads /proc and uname; what cannot be read is left out.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace longhaul::perf {

std::string host_name();
nlohmann::ordered_json machine_json();
/// The environment of this process, null-terminated.
const char* const* process_environment();

}  // namespace longhaul::perf
