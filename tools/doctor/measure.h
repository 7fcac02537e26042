// SPDX-License-Identifier: Apache-2.0
// The measurements of `longhaul doctor`, from the end that dials.
#pragma once

#include <functional>

#include "config/config.h"
#include "base/status.h"
#include "doctor/findings.h"

namespace longhaul::doctor {

struct MeasureOptions {
  config::HostPort peer;
  double seconds = 1;               ///< a capacity measurement, of which the second half counts
  std::string congestion = "bbr";   ///< where allowed
  std::vector<int> streams{1, 2, 4, 8, 16};
};

/// Takes about streams x 2 x (seconds + a round trip or two). `tell` gets a line before every step.
Result<Measured> measure(const MeasureOptions& options, const std::function<void(const std::string&)>& tell);

}  // namespace longhaul::doctor
