// SPDX-License-Identifier: Apache-2.0
// The settings of a path by name, as the command line, the control socket and `show` write them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "emulate/path.h"

namespace longhaul::emulate {

struct Setting {
  const char* name;
  const char* unit;  ///< what help texts call the value: TIME, RATE, ...
  const char* help;
  Status (*apply)(PathSettings* settings, std::string_view text);
  std::string (*text)(const PathSettings& settings);  ///< null: not shown (another one shows the same)
};

const std::vector<Setting>& all_settings();

/// Errors are lhInvalidArgument and name the setting.
Status apply_setting(PathSettings* settings, std::string_view name, std::string_view text);

}  // namespace longhaul::emulate
