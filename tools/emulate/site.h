// SPDX-License-Identifier: Apache-2.0
// A site of the emulated WAN: a network namespace whose only way out is a TUN device that the emulator reads and writes.
#pragma once

#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

namespace longhaul::emulate {

struct Site {
  std::string name;
  std::uint32_t address = 0;  ///< IPv4, the host's byte order
  Fd tun;
  Fd network;  ///< the namespace; it lives as long as somebody holds this
};

constexpr int kMaxSites = 32;

/// 10.77.<index + 1>.1; all sites are in 10.77.0.0/16.
std::uint32_t site_address(int index);
std::string address_text(std::uint32_t address);

/// A user namespace of this process in which the caller counts as root, for users who are not. Call before anything starts a
/// thread.
Status enter_user_namespace();

/// Makes the site's namespace with its device "wan0" up and the loopback interface up; the caller is back in its own
/// namespace afterwards. Needs root or enter_user_namespace(). The error says what the system does not allow.
Result<Site> make_site(const std::string& name, int index, int mtu);

/// Enters the namespaces (user: may be invalid) for good and gives the process a /sys that shows the site's devices.
Status enter_site(const Fd& user, const Fd& network);

}  // namespace longhaul::emulate
