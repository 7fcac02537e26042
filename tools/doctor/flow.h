// SPDX-License-Identifier: Apache-2.0
// Bytes over connections, as many as go or paced, and what the sender's TCP knows of them. A rate is what was delivered in the second half of the
// time, in whatever order, as the sender learned it: what a repaired loss hands on at once at the other end looks too fast there.
// The end that gives ends with a record of 24 bytes: segments sent, sent again, of those for nothing, round trip in us (u32 each), bits a second
// (u64).
#pragma once

#include <vector>

#include "doctor/conversation.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

/// The answering ends.
void take(const Fd& socket);
void give(const Fd& socket, const Request& request);

struct Flows {
  std::vector<Fd> up, down;  ///< connections that the peer takes from and gives to
};

struct Moved {
  double up = 0, down = 0;    ///< bits a second of payload
  Losses lost_up, lost_down;  ///< repeated for nothing not counted
  double resent_up = 0, resent_down = 0;
  TimeNs rtt_up = 0, rtt_down = 0;  ///< at the end, median over the connections
};

/// Both ways at once for so long, then ends the connections. `bits_per_s`: pace of all connections up together; 0: none.
Result<Moved> move(Flows flows, TimeNs duration, double bits_per_s);

}  // namespace longhaul::doctor
