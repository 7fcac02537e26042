// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a link, one function a subject; find() calls them all. Pure.
#pragma once

#include <vector>

#include "doctor/findings.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

/// A link as its checks see it. Losses and Spread of `end` are of what that end sends.
struct View {
  const Measured& m;
  const Facts &here, &there;
  double rate;      ///< best_rate()
  double up, down;  ///< the most that any number of streams carried
};

void check_settings(const Facts& here, const Facts& there, std::vector<Finding>* findings);
/// The ports of site number `owner` as site number `seer` sees them.
void check_ports(const Report& report, const Sweep& sweep, int seer, int owner, std::vector<Finding>* findings);
void check_congestion(const View& view, std::vector<Finding>* findings);
void check_buffers(const View& view, std::vector<Finding>* findings);
void check_idle(const View& view, std::vector<Finding>* findings);
void check_switches(const View& view, std::vector<Finding>* findings);
/// Losses, packet size, jitter, queues, unequal directions, single connections, clocks.
void check_path(const View& view, std::vector<Finding>* findings);

/// Linux lets a connection have about two thirds of its buffer under way, the rest is bookkeeping: 281 Mbit/s over 80 ms with the
/// usual 4 MiB (docs/doctor.md).
constexpr double kUsable = 0.67;

}  // namespace longhaul::doctor
