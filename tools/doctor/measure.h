// SPDX-License-Identifier: Apache-2.0
// Measures one link from the end that dials.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "doctor/conversation.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

struct MeasureOptions {
  double seconds = 1;  ///< a capacity measurement, of which the second half counts
  std::vector<int> streams{1, 2, 4, 8, 16};
};

/// Tells what is done next.
using Tell = std::function<void(const std::string&)>;

/// Takes about streams x 2 x (seconds + 10 round trips) + 2 + 3 x seconds.
Result<Measured> measure(const Self& self, const config::HostPort& peer, const MeasureOptions& options, const Tell& tell);

}  // namespace longhaul::doctor
