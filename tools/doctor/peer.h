// SPDX-License-Identifier: Apache-2.0
// What the two ends of `longhaul doctor` say to each other: one request of 16 bytes a connection (magic "LHDOCTR1", u32 what, u32
// milliseconds, little-endian), then bytes as it says. The listening end answers anybody and tells nothing but its TCP settings.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/status.h"
#include "config/config.h"

namespace longhaul::doctor {

enum class Ask : std::uint32_t {
  Echo = 1,      ///< every 8 bytes come back with 8 more: the peer's wall clock in ns
  Take = 2,      ///< reads until the end
  Give = 3,      ///< sends zeros for so long
  Settings = 4,  ///< the peer's TCP settings as JSON, then the end
};

/// Connects, asks for `congestion` where that is not empty, sends the request. Blocking, 5 s at most a step.
Result<Fd> ask(const config::HostPort& peer, Ask what, std::uint32_t milliseconds, const std::string& congestion);
/// All of it, or the error. Ends of file are errors.
Status read_all(const Fd& socket, Bytes bytes);
Status write_all(const Fd& socket, ConstBytes bytes);

/// Serves until it fails; each connection on a thread of its own, 64 at most. Prints who came.
Status serve(const config::HostPort& at);

/// This machine's net.ipv4.* values that matter, as JSON text.
std::string local_settings();

}  // namespace longhaul::doctor
