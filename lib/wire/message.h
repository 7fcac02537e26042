// SPDX-License-Identifier: Apache-2.0
// What two ranks say to each other about an operation, whatever carries it (a ring inside a machine, MPI, a WAN session).
#pragma once

#include <cstdint>

namespace longhaul::wire {

/// Values are part of the wire format.
enum Kind : std::uint32_t {
  kContribution = 1,  ///< elements on their way to the owner of a part, or to another site
  kResult = 2,        ///< finished elements on their way to everyone in the site
  kAnnounce = 3,      ///< "I was called with these arguments": payload is an Announcement
  kFailure = 4,       ///< the sender's communicator failed: payload is a FailureNotice
  kGoodbye = 5,       ///< the sender will say nothing more, and that is no failure
  kLinkRates = 6,     ///< inside a site: what the sender believes the links to the other sites carry
};

struct Message {
  std::uint32_t kind = 0;
  std::uint32_t chunk = 0;      ///< index inside the operation
  std::uint64_t operation = 0;  ///< sequence number of the call on this communicator, from 1
  std::uint64_t signature = 0;  ///< hash of the call's arguments
  std::uint64_t begin = 0;      ///< first element, of the whole buffer
  std::uint32_t codec = 0;      ///< of a contribution: lhCodec_t of the payload, lhCodecNone: elements as they are
  bool operator==(const Message&) const = default;
};

}  // namespace longhaul::wire
