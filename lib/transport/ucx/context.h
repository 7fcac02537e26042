// SPDX-License-Identifier: Apache-2.0
// The UCX context with this library's settings, and owners for UCX objects.
//
// Settings (context.cpp); LONGHAUL_UCX_<NAME> in the environment goes before UCX_<NAME>, and that before these:
//   * TLS=tcp, SOCKADDR_TLS_PRIORITY=tcp: between sites, machines that look reachable over InfiniBand or shared memory are not
//   * CM_USE_ALL_DEVICES=n: data goes over the interface of the route to the peer, not over docker0
//   * TCP_CONN_NB=y: a reconnect during an outage must not stall the worker
//   * RNDV_THRESH=inf: data is posted; a rendezvous costs another round trip
//   * ZCOPY_THRESH=inf: zero-copy sends complete twice when a peer is killed (1.13.1)
//   * TCP_PORT_RANGE: the range of the options
//   * LOG_LEVEL=fatal (process-wide): a lost peer is an event here, not an error on the user's terminal
#pragma once

#include <ucp/api/ucp.h>

#include <memory>

#include "base/status.h"
#include "transport/ucx/ucx_transport.h"

namespace longhaul::transport {

struct ContextCleanup {
  void operator()(ucp_context_h context) const { ucp_cleanup(context); }
};
struct WorkerCleanup {
  void operator()(ucp_worker_h worker) const { ucp_worker_destroy(worker); }
};
struct ListenerCleanup {
  void operator()(ucp_listener_h listener) const { ucp_listener_destroy(listener); }
};

using ContextHandle = std::unique_ptr<ucp_context, ContextCleanup>;
using WorkerHandle = std::unique_ptr<ucp_worker, WorkerCleanup>;
using ListenerHandle = std::unique_ptr<ucp_listener, ListenerCleanup>;

Result<ContextHandle> make_context(const UcxOptions& options);

}  // namespace longhaul::transport
