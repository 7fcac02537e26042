// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/listener.h"

#include <arpa/inet.h>

#include <cstring>

#include "transport/ucx/address.h"

namespace longhaul::transport {
namespace {

Result<std::uint16_t> port_of(ucp_listener_h listener) {
  ucp_listener_attr_t attributes{};
  attributes.field_mask = UCP_LISTENER_ATTR_FIELD_SOCKADDR;
  const ucs_status_t status = ucp_listener_query(listener, &attributes);
  if (status != UCS_OK)
    return error(lhSystemError, "ucx: asking for the listener's port: {}", ucs_status_string(status));
  sockaddr_in address{};
  std::memcpy(&address, &attributes.sockaddr, sizeof(address));
  return ntohs(address.sin_port);
}

ucs_status_t try_port(ucp_worker_h worker, const sockaddr_in& address, ucp_listener_conn_callback_t on_request,
                      void* argument, ucp_listener_h* made) {
  ucp_listener_params_t params{};
  params.field_mask = UCP_LISTENER_PARAM_FIELD_SOCK_ADDR | UCP_LISTENER_PARAM_FIELD_CONN_HANDLER;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = sizeof(address);
  params.conn_handler.cb = on_request;
  params.conn_handler.arg = argument;
  return ucp_listener_create(worker, &params, made);
}

}  // namespace

Result<Listener> make_listener(ucp_worker_h worker, const UcxOptions& options, std::uint16_t reserved,
                               ucp_listener_conn_callback_t on_request, void* argument) {
  ucp_listener_h raw = nullptr;
  ucs_status_t status = try_port(worker, make_sockaddr(bind_address(options), reserved), on_request, argument, &raw);
  for (unsigned port = options.first_port; status != UCS_OK && port != 0 && port <= options.last_port; ++port) {
    const sockaddr_in address = make_sockaddr(bind_address(options), static_cast<std::uint16_t>(port));
    status = try_port(worker, address, on_request, argument, &raw);
  }
  if (status != UCS_OK) {
    return error(lhSystemError,
                 "cannot listen at {}, ports {}-{}: {} (give an address of this machine and a free port)",
                 to_text(bind_address(options)), options.first_port, options.last_port, ucs_status_string(status));
  }
  Listener made{ListenerHandle(raw), 0};
  Result<std::uint16_t> port = port_of(raw);
  if (!port.ok()) return port.take_status();
  made.port = *port;
  return made;
}

}  // namespace longhaul::transport
