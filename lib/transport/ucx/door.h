// SPDX-License-Identifier: Apache-2.0
// Protects a UCX listener from strangers. UCX 1.12 to 1.18 believe the length in the first bytes of a connection: built
// with assertions, as Debian and Ubuntu build it, forty zero bytes from anybody end the process.
//
// The kernel is told to drop, at that socket, every segment that is neither one whole UCX message nor so long by its
// own claim that UCX waits for the rest in vain and closes. Connections whose segments are dropped end by TCP
// keep-alive. This is against accidents (scanners, mistyped ports), not against somebody who speaks UCX.
#pragma once

#include <netinet/in.h>

#include <cstdint>

#include "base/status.h"

namespace longhaul::transport {

/// Guards the listening socket of this process at `port`. False: nothing was done, the messages of this UCX are not
/// known.
Result<bool> guard_listener(std::uint16_t port, std::uint64_t client_id);

/// Whether a client of a guarded listener has sent enough for a connection request. UCX makes one of a bare header,
/// too, and reads past its end.
bool sent_a_request(const sockaddr_in& client);

}  // namespace longhaul::transport
