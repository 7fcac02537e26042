// SPDX-License-Identifier: Apache-2.0
// A ucp_listener on the reserved port, else on the first free port of the range.
#pragma once

#include <cstdint>

#include "transport/ucx/context.h"

namespace longhaul::transport {

struct Listener {
  ListenerHandle handle;
  std::uint16_t port = 0;
};

/// `on_request` runs from inside ucp_worker_progress.
Result<Listener> make_listener(ucp_worker_h worker, const UcxOptions& options, std::uint16_t reserved,
                               ucp_listener_conn_callback_t on_request, void* argument);

}  // namespace longhaul::transport
