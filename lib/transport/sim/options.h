// SPDX-License-Identifier: Apache-2.0
// What a simulated network does to frames, and the counters that tell what it did.
#pragma once

#include <cstdint>

#include "transport/link_model.h"

namespace longhaul::transport {

/// Damage done to frames on purpose, between all nodes; everything is a probability a frame. Connects, closes and
/// resets are never damaged, only cut off (Network::cut).
struct Faults {
  double loss = 0;       ///< the frame vanishes (unlike LinkParameters::loss, nobody sends it again)
  double duplicate = 0;  ///< it arrives twice
  double corrupt = 0;    ///< one random bit of header or payload flips
  double truncate = 0;   ///< the payload, or the header where there is none, loses bytes at its end
  double reorder = 0;    ///< it is up to reorder_delay_ns late, and others overtake it
  double reset = 0;      ///< its connection dies: both ends see a reset, frames in flight are lost
  TimeNs reorder_delay_ns = 5 * kMillisecond;
};

struct SimOptions {
  /// Of every directed link between two sites; Network::set_link changes single ones. `seed` of it is not used.
  LinkParameters link;
  Faults faults;
  std::uint64_t seed = 1;  ///< of all chance: a single-threaded run replays exactly
  /// Payload memory a node keeps for reuse once it is free.
  std::size_t max_cached_bytes = std::size_t{256} << 20;
};

struct SimCounters {
  std::uint64_t posted = 0;     ///< frames given to a living connection
  std::uint64_t delivered = 0;  ///< frames reported by on_receive, duplicates included
  std::uint64_t lost = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t truncated = 0;
  std::uint64_t reordered = 0;
  std::uint64_t resets = 0;    ///< connections that died by Faults::reset, kill_node or reset
  std::uint64_t refused = 0;   ///< connects to a node that is down or does not listen
  std::uint64_t cut = 0;       ///< frames and signals that vanished in a cut
  std::uint64_t orphaned = 0;  ///< frames whose connection was gone when they arrived
};

}  // namespace longhaul::transport
