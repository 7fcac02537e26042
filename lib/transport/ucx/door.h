// SPDX-License-Identifier: Apache-2.0
// Protects a UCX listener from strangers. UCX 1.12 to 1.18 believe the length in the first bytes of a connection: built
// with assertions, as Debian and Ubuntu build it, forty zero bytes from anybody end the process.
//
// The kernel is told to drop, at that socket, every segment that is neither one whole UCX message nor so long by its
// own claim that UCX waits for the rest in vain and closes. Connections whose segments are dropped end by TCP
// keep-alive. This is against accidents (scanners, mistyped ports), not against somebody who speaks UCX.
#pragma once

#include <netinet/in.h>

#include "base/status.h"

namespace longhaul::transport {

/// The listening socket of this process at `port`; with UCX versions of another message format it does nothing.
Status guard_listener(std::uint16_t port);

}  // namespace longhaul::transport
