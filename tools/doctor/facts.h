// SPDX-License-Identifier: Apache-2.0
// What this machine has to say about itself.
#pragma once

#include <string>

#include "base/fd.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

/// TCP's settings here, for connections with this value of wan.congestion. `socket`: one to the other site, for its device.
Facts tcp_facts(const std::string& congestion, const Fd& socket);

}  // namespace longhaul::doctor
