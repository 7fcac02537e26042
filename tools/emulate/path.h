// SPDX-License-Identifier: Apache-2.0
// Path: one direction of an emulated link. Pure: packets and times go in, packets come out when they are due; no clock, no
// I/O, and the same calls with the same seed give the same result.
//
//   offer --> outage? --> queue full? --> serialise at `rate` --> lost? --> delay + jitter, in order --> take
//             (lost)      (tail drop)                            (burst)    (a reordered packet may be overtaken)
//
// Every wire packet counts by itself in the queue, on the wire and for loss, also inside a super-packet.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "emulate/packet.h"

namespace longhaul::emulate {

/// What an Ethernet adds to each IP packet and a link's rate therefore carries: header 14, checksum 4.
constexpr std::uint64_t kEthernetOverhead = 18;

/// The link is down in [start + k * period, start + k * period + length), counted from the emulator's start. period 0: once.
struct Outage {
  TimeNs start = 0, length = 0, period = 0;
  bool operator==(const Outage&) const = default;
};

struct PathSettings {
  TimeNs delay = 0;                  ///< one way
  TimeNs jitter = 0;                 ///< added to the delay, uniform in [0, jitter]; does not reorder
  std::uint64_t rate = 0;            ///< bits a second of Ethernet frames; 0: unlimited
  std::uint64_t queue_bytes = 0;     ///< 0: two round trips at the rate, at least 1 MiB: a deep-buffered router
  double loss = 0;                   ///< share of wire packets lost
  double burst = 1;                  ///< mean number of packets lost in a row (Gilbert's model); 1: independent
  double reorder = 0;                ///< share of packets held back so that later ones overtake
  std::vector<Outage> outages{};
  bool up = true;

  std::uint64_t queue_limit() const;
  bool operator==(const PathSettings&) const = default;
};

struct PathCounters {
  std::uint64_t offered_packets = 0, offered_bytes = 0;  ///< wire packets and their bytes, without Ethernet's
  std::uint64_t delivered_packets = 0, delivered_bytes = 0;
  std::uint64_t lost = 0, queue_drops = 0, outage_drops = 0, reordered = 0;
  TimeNs worst_lateness = 0, total_lateness = 0;  ///< how much after its due time a packet was taken
  std::uint64_t takes = 0, late_takes = 0;        ///< packets taken at all, and more than a millisecond late
};

class Path {
 public:
  Path(PathSettings settings, std::uint64_t seed, TimeNs start);

  void offer(Packet packet, TimeNs now);
  /// When the next packet is due; kNever: none waits.
  TimeNs next_due() const { return waiting_.empty() ? kNever : waiting_.front().due; }
  /// The packet that is due first, where it is due by now.
  std::optional<Packet> take(TimeNs now);

  void set(const PathSettings& settings) { settings_ = settings; }
  const PathSettings& settings() const { return settings_; }
  const PathCounters& counters() const { return counters_; }
  /// Bytes queued for the wire.
  std::uint64_t backlog(TimeNs now) const;
  bool down(TimeNs now) const;

 private:
  struct Waiting {
    TimeNs due = 0;
    std::uint64_t order = 0;
    Packet packet;
  };
  static bool later(const Waiting& a, const Waiting& b) { return a.due != b.due ? a.due > b.due : a.order > b.order; }
  bool loses_next();
  void enqueue(Packet packet, TimeNs departure);
  bool admit(std::uint64_t bytes, TimeNs now);

  PathSettings settings_;
  PathCounters counters_;
  Random random_;
  TimeNs start_;
  TimeNs busy_until_ = 0;
  TimeNs last_due_ = 0;
  bool in_burst_ = false;
  std::uint64_t order_ = 0;
  std::vector<Waiting> waiting_;  // heap, earliest first
};

}  // namespace longhaul::emulate
