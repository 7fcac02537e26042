// SPDX-License-Identifier: Apache-2.0
// From numbers to advice. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace longhaul::doctor {

/// One end's TCP settings. Bytes; 0: not known.
struct Settings {
  std::uint64_t most_send_buffer = 0;     ///< tcp_wmem, third value
  std::uint64_t most_receive_buffer = 0;  ///< tcp_rmem, third value
  bool slow_start_after_idle = false;
  bool bbr_allowed = false;
  std::string congestion;  ///< the system's choice
};

struct Capacity {
  int streams = 0;
  double up = 0, down = 0;    ///< bits a second of payload, from and to this end
  double resent = 0;          ///< share of the segments sent from this end that were sent again
};

struct Measured {
  TimeNs least_rtt = 0, median_rtt = 0, p95_rtt = 0;
  TimeNs clock_offset = 0;  ///< the peer's clock minus ours, give or take half of least_rtt
  int mtu = 0;
  std::string congestion;   ///< of this end's connections
  std::vector<Capacity> capacity;
  Settings here, there;
};

struct Finding {
  std::string problem;
  std::string command;  ///< what mends it; empty: nothing to type
  std::string gain;
};

/// The fewest streams that come within 5 % of the best, each way, of those that hardly lost anything. `capacity` must not be
/// empty, here and below.
const Capacity& enough(const Measured& measured);
/// Bits a second of those, the slower way.
double best_rate(const Measured& measured);
std::vector<Finding> find(const Measured& measured);
/// Lines of a [wan] table.
std::string proposal(const Measured& measured);
/// "950 Mbit/s", "9.4 Gbit/s".
std::string rate_text(double bits_per_second);

}  // namespace longhaul::doctor
