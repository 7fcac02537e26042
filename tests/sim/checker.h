// SPDX-License-Identifier: Apache-2.0
// What a collective must deliver, computed the plain way and independently of the library's plan, engine and kernels. What a codec
// makes of the data comes from its scalar reference, which is the specification, over the pieces of the plan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "plan/call.h"
#include "plan/topology.h"

namespace longhaul::sim {

using Buffer = std::vector<std::byte>;

/// Which call of the communicator it is (from 1), and how large its chunks are: r4 and r2 depend on both, f4 on the latter.
struct Place {
  std::uint64_t sequence = 1;
  std::uint64_t chunk_bytes = 0;
};

/// Expected receive buffer of every rank, given every rank's send buffer.
std::vector<Buffer> expected(const plan::Topology& topology, const plan::Call& call, const Place& place, const std::vector<Buffer>& sends);

/// Bytes of a rank's send and receive buffer.
std::size_t send_bytes(const plan::Topology& topology, const plan::Call& call);
std::size_t recv_bytes(const plan::Topology& topology, const plan::Call& call);

}  // namespace longhaul::sim
