// SPDX-License-Identifier: Apache-2.0
// What a collective must deliver, computed the plain way and independently of the library's plan, engine and kernels. What a codec
// makes of the data comes from its scalar reference, which is the specification, over the pieces of the plan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
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

/// Residuals of error feedback of one tag, by who encodes: the rail (-1: the whole site) and the site. Empty at first.
using Residuals = std::map<std::pair<int, int>, std::vector<std::uint16_t>>;

/// What a rank keeps of them: its parts of all chunks.
std::vector<std::uint16_t> kept_by(const plan::Topology& topology, int rank, const plan::Call& call, const Place& place, const Residuals& residuals);

/// Expected receive buffer of every rank, given every rank's send buffer. `residuals` of a call with error feedback, else null; they become those after it.
std::vector<Buffer> expected(const plan::Topology& topology, const plan::Call& call, const Place& place, const std::vector<Buffer>& sends,
                             Residuals* residuals = nullptr);

/// Bytes of a rank's send and receive buffer.
std::size_t send_bytes(const plan::Topology& topology, const plan::Call& call);
std::size_t recv_bytes(const plan::Topology& topology, const plan::Call& call);

}  // namespace longhaul::sim
