// SPDX-License-Identifier: Apache-2.0
// What timestamps, counters and distances say. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

/// One message, by the clock of each end.
struct OneWay {
  TimeNs sent = 0, received = 0;
};

/// In the order in which they were sent. Clocks that drift apart are seen from one second on.
Spread spread_of(const std::vector<OneWay>& messages);

double loss_share(const Losses& losses);
/// Where nothing was lost the share is below this, with 95 % confidence.
double loss_bound(const Losses& losses);
/// "0.10 % (26 of 24,600 segments)", "none of 24,600 segments: below 0.012 %".
std::string loss_text(const Losses& losses);

/// What one connection carries in the long run, in bits a second, if nothing but losses at random limits it: reno by Mathis et al. (1997), cubic by
/// RFC 9438, which is never less.
double loss_based_rate(const std::string& congestion, TimeNs rtt, double loss);

/// How much longer a message takes on a connection that starts again with ten packets, where it could have gone at `bits_per_s`.
TimeNs slow_start_cost(std::uint64_t bytes, TimeNs rtt, double bits_per_s);

/// "950 Mbit/s", "9.40 Gbit/s".
std::string rate_text(double bits_per_second);
/// "80 ms", "15.4 ms", "0.25 ms".
std::string ms_text(TimeNs time);
/// "4 MiB", "13.6 MiB", "128 KiB".
std::string bytes_text(double bytes);

}  // namespace longhaul::doctor
