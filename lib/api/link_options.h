// SPDX-License-Identifier: Apache-2.0
// From the [wan] table to the numbers of sessions and engine: windows, streams, shares of a link.
#pragma once

#include "config/config.h"
#include "engine/engine.h"
#include "link/session.h"
#include "plan/topology.h"

namespace longhaul::api {

/// Over memory, where nothing congests. Names and roles are the caller's to fill in, here and below.
link::SessionOptions loopback_session_options(const config::Wan& wan);
/// With a rank of this site on another machine.
link::SessionOptions lan_session_options(const config::Wan& wan);
/// From a rank of `site` to rank `peer` of another site.
link::SessionOptions wan_session_options(const config::Wan& wan, const plan::Topology& topology, int site, int peer);

engine::EngineOptions engine_options(const config::Wan& wan);
std::size_t largest_payload(const config::Wan& wan);

}  // namespace longhaul::api
