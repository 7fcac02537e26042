// SPDX-License-Identifier: Apache-2.0
// Access to the environment of the process behind config::Environment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace longhaul::config {

/// What process_environment() wraps; resolve() recognises it to look for unknown variables too, which a plain function
/// from names to values cannot tell.
struct ProcessEnvironment {
  std::optional<std::string> operator()(const char* name) const;
  static std::vector<std::string> names();
};

/// The value; nullopt where the variable is unset or empty (launch scripts often pass on what they do not have).
std::optional<std::string> variable(const Environment& environment, const char* name);

}  // namespace longhaul::config
