// SPDX-License-Identifier: Apache-2.0
// Small messages that come back with the peer's clocks: distance, the variation of each direction by itself, clock offset.
// A message is the sender's steady clock (u64); the answer is that, the peer's steady clock when it came and when it left, and the
// peer's wall clock (u64 each).
#pragma once

#include <vector>

#include "doctor/conversation.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

/// The answering end, until the other closes.
void answer_echo(const Fd& socket);

class Echo {
 public:
  static Result<Echo> open(const Self& self, const config::HostPort& peer);

  /// One message and its answer.
  Result<TimeNs> round_trip();
  /// Paced messages for two seconds or 16 round trips: fills in round trips, spreads, clock offset and packet size.
  Status measure(Measured* out);
  /// Waits until nothing of a transfer is left in the queues on the way, 3 s at most.
  Status wait_until_quiet(TimeNs least_rtt);

 private:
  struct Answer {
    TimeNs sent, arrived, left, wall, back;
  };
  explicit Echo(Fd socket) : socket_(std::move(socket)) {}
  Status send();
  Status receive(std::vector<Answer>* answers);
  Status exchange(int count, TimeNs interval, std::vector<Answer>* answers);

  Fd socket_;
  std::vector<std::byte> input_;
};

}  // namespace longhaul::doctor
