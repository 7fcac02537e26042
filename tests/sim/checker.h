// SPDX-License-Identifier: Apache-2.0
// What a collective must deliver, computed the plain way and independently of the library's plan, engine and kernels (of which
// only the codecs' scalar references are used: they are the specification).
#pragma once

#include <cstddef>
#include <vector>

#include "plan/call.h"
#include "plan/topology.h"

namespace longhaul::sim {

using Buffer = std::vector<std::byte>;

/// Expected receive buffer of every rank, given every rank's send buffer.
std::vector<Buffer> expected(const plan::Topology& topology, const plan::Call& call, const std::vector<Buffer>& sends);

/// Bytes of a rank's send and receive buffer.
std::size_t send_bytes(const plan::Topology& topology, const plan::Call& call);
std::size_t recv_bytes(const plan::Topology& topology, const plan::Call& call);

}  // namespace longhaul::sim
