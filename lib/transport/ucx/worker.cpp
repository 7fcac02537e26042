// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/worker.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <mutex>

#include "base/log.h"
#include "transport/ucx/address.h"
#include "transport/ucx/door.h"
#include "transport/ucx/sockets.h"

namespace longhaul::transport {
namespace {

constexpr unsigned kFrameId = 1;                            // the one active message id in use
constexpr std::uint64_t kClientId = 0x6c6f6e676861756cULL;  // what a connection request of this library carries

Status ucx_error(const char* what, ucs_status_t status) {
  return error(lhSystemError, "ucx: {}: {}", what, ucs_status_string(status));
}

std::vector<std::uint16_t> listening_ports() {
  std::vector<std::uint16_t> ports;
  for (const TcpSocket& socket : tcp_sockets())
    if (socket.listening) ports.push_back(ntohs(socket.local.sin_port));
  std::sort(ports.begin(), ports.end());
  return ports;
}

/// Creates a worker and finds out at which ports it accepts data: those that were not listened at before. One at a time, so
/// that workers made by several threads do not take each other's ports for their own.
ucs_status_t create_watched(ucp_context_h context, const ucp_worker_params_t& params, ucp_worker_h* worker,
                            std::vector<std::uint16_t>* ports) {
  static std::mutex one_at_a_time;
  const std::lock_guard lock(one_at_a_time);
  const std::vector<std::uint16_t> before = listening_ports();
  const ucs_status_t status = ucp_worker_create(context, &params, worker);
  const std::vector<std::uint16_t> after = listening_ports();
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(*ports));
  return status;
}

}  // namespace

Worker::Worker(ContextHandle context, WorkerHandle worker, WorkerEvents& events)
    : events_(events), context_(std::move(context)), worker_(std::move(worker)) {}

Result<std::unique_ptr<Worker>> Worker::create(const UcxOptions& options, WorkerEvents& events) {
  Result<ContextHandle> context = make_context(options);
  if (!context.ok()) return context.take_status();
  ucp_worker_params_t params{};
  params.field_mask =
      UCP_WORKER_PARAM_FIELD_THREAD_MODE | UCP_WORKER_PARAM_FIELD_FLAGS | UCP_WORKER_PARAM_FIELD_CLIENT_ID;
  params.thread_mode = UCS_THREAD_MODE_SINGLE;
  params.flags = UCP_WORKER_FLAG_IGNORE_REQUEST_LEAK;  // sends to silent peers may outlive the drain
  params.client_id = kClientId;
  ucp_worker_h raw = nullptr;
  std::vector<std::uint16_t> data_ports;
  const ucs_status_t status = create_watched(context->get(), params, &raw, &data_ports);
  if (status != UCS_OK) return ucx_error("creating a worker", status);
  auto made = std::make_unique<Worker>(std::move(*context), WorkerHandle(raw), events);
  made->data_ports_ = std::move(data_ports);
  Status started = made->start();
  if (!started.ok()) return started;
  return made;
}

Status Worker::start() {
  ucp_worker_attr_t attributes{};
  attributes.field_mask = UCP_WORKER_ATTR_FIELD_MAX_AM_HEADER;
  ucs_status_t status = ucp_worker_query(worker_.get(), &attributes);
  if (status != UCS_OK) return ucx_error("asking for the header limit", status);
  if (attributes.max_am_header < kMaxHeaderBytes) {
    return error(lhSystemError,
                 "ucx: headers are limited to {} bytes, {} are needed: unset UCX_TLS and UCX_TCP_TX_SEG_SIZE",
                 attributes.max_am_header, kMaxHeaderBytes);
  }
  ucp_am_handler_param_t handler{};
  handler.field_mask = UCP_AM_HANDLER_PARAM_FIELD_ID | UCP_AM_HANDLER_PARAM_FIELD_FLAGS |
                       UCP_AM_HANDLER_PARAM_FIELD_CB | UCP_AM_HANDLER_PARAM_FIELD_ARG;
  handler.id = kFrameId;
  handler.flags = UCP_AM_FLAG_WHOLE_MSG | UCP_AM_FLAG_PERSISTENT_DATA;
  handler.cb = &Worker::handle_frame;
  handler.arg = this;
  status = ucp_worker_set_am_recv_handler(worker_.get(), &handler);
  if (status != UCS_OK) return ucx_error("registering the frame handler", status);
  status = ucp_worker_get_efd(worker_.get(), &wait_fd_);
  if (status != UCS_OK) return ucx_error("asking for the event descriptor", status);
  return {};
}

Result<std::uint16_t> Worker::listen(const UcxOptions& options, std::uint16_t reserved) {
  Result<Listener> made = make_listener(worker_.get(), options, reserved, &Worker::handle_request, this);
  if (!made.ok()) return made.take_status();
  listener_ = std::move(*made);
  const Result<bool> guarded = guard_listener(listener_.port, kClientId);
  if (!guarded.ok()) log_warn(fmt::format("strangers can crash UCX: {}", guarded.status().text()));
  guarded_ = guarded.ok() && *guarded;
  return listener_.port;
}

Result<ucp_ep_h> Worker::create_endpoint(ucp_ep_params_t& params) {
  params.field_mask |= UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE | UCP_EP_PARAM_FIELD_ERR_HANDLER;
  params.err_mode = UCP_ERR_HANDLING_MODE_PEER;
  params.err_handler.cb = &Worker::handle_failure;
  params.err_handler.arg = this;
  ucp_ep_h made = nullptr;
  const ucs_status_t status = ucp_ep_create(worker_.get(), &params, &made);
  if (status != UCS_OK) return ucx_error("creating an endpoint", status);
  return made;
}

Result<ucp_ep_h> Worker::connect(const sockaddr_in& address) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_FLAGS | UCP_EP_PARAM_FIELD_SOCK_ADDR;
  params.flags = UCP_EP_PARAMS_FLAGS_CLIENT_SERVER | UCP_EP_PARAMS_FLAGS_SEND_CLIENT_ID;
  params.sockaddr.addr = reinterpret_cast<const sockaddr*>(&address);
  params.sockaddr.addrlen = sizeof(address);
  return create_endpoint(params);
}

Result<ucp_ep_h> Worker::accept(ucp_conn_request_h request) {
  ucp_ep_params_t params{};
  params.field_mask = UCP_EP_PARAM_FIELD_CONN_REQUEST;
  params.conn_request = request;
  return create_endpoint(params);
}

void Worker::reject(ucp_conn_request_h request) {
  if (listener_.handle) (void)ucp_listener_reject(listener_.handle.get(), request);
}

void Worker::send(ucp_ep_h endpoint, SendRecord* record) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA | UCP_OP_ATTR_FIELD_FLAGS |
                       UCP_OP_ATTR_FIELD_MEMORY_TYPE;
  param.cb.send = &Worker::handle_sent;
  param.user_data = record;
  param.flags = UCP_AM_SEND_FLAG_REPLY | UCP_AM_SEND_FLAG_EAGER;  // REPLY: how the receiver knows the endpoint
  param.memory_type = UCS_MEMORY_TYPE_HOST;
  record->events = &events_;
  const ucs_status_ptr_t request = ucp_am_send_nbx(endpoint, kFrameId, record->header.data(), record->header_size,
                                                   record->payload.data(), record->payload.size(), &param);
  if (!UCS_PTR_IS_PTR(request)) events_.on_sent(record);  // done at once, or failed: the error handler tells why
}

void Worker::force_close(ucp_ep_h endpoint) {
  ucp_request_param_t param{};
  param.op_attr_mask = UCP_OP_ATTR_FIELD_FLAGS | UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA;
  param.flags = UCP_EP_CLOSE_FLAG_FORCE;
  param.cb.send = &Worker::handle_closed;
  param.user_data = this;
  ++closes_under_way_;
  const ucs_status_ptr_t request = ucp_ep_close_nbx(endpoint, &param);
  if (!UCS_PTR_IS_PTR(request)) --closes_under_way_;
}

ucs_status_t Worker::handle_frame(void* self, const void* header, std::size_t header_size, void* data, std::size_t size,
                                  const ucp_am_recv_param_t* param) noexcept {
  // A rendezvous, or a frame without its endpoint, is not from this library: dropped.
  const bool ours = (param->recv_attr & UCP_AM_RECV_ATTR_FIELD_REPLY_EP) != 0 &&
                    (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_RNDV) == 0 && header_size <= kMaxHeaderBytes &&
                    (size == 0 || (param->recv_attr & UCP_AM_RECV_ATTR_FLAG_DATA) != 0);
  if (!ours) return UCS_OK;
  const bool kept = static_cast<Worker*>(self)->events_.on_frame(param->reply_ep,
                                                                 {static_cast<const std::byte*>(header), header_size},
                                                                 {static_cast<const std::byte*>(data), size});
  return kept ? UCS_INPROGRESS : UCS_OK;
}

/// Accepting makes UCX parse a request without checks, so what is not from this library is turned away before.
bool Worker::ours(ucp_conn_request_h request) const {
  ucp_conn_request_attr_t attributes{};
  attributes.field_mask = UCP_CONN_REQUEST_ATTR_FIELD_CLIENT_ADDR;
  if (ucp_conn_request_query(request, &attributes) != UCS_OK) return false;
  sockaddr_in client{};
  std::memcpy(&client, &attributes.client_address, sizeof(client));
  if (guarded_ && !sent_a_request(client)) return false;
  attributes.field_mask = UCP_CONN_REQUEST_ATTR_FIELD_CLIENT_ID;
  return ucp_conn_request_query(request, &attributes) == UCS_OK && attributes.client_id == kClientId;
}

void Worker::handle_request(ucp_conn_request_h request, void* self) noexcept {
  auto* worker = static_cast<Worker*>(self);
  if (worker->ours(request)) {
    worker->events_.on_request(request);
  } else {
    worker->reject(request);
  }
}

void Worker::handle_failure(void* self, ucp_ep_h endpoint, ucs_status_t status) noexcept {
  static_cast<Worker*>(self)->events_.on_failure(endpoint, status);
}

void Worker::handle_sent(void* request, ucs_status_t, void* record) noexcept {
  ucp_request_free(request);
  auto* sent = static_cast<SendRecord*>(record);
  sent->events->on_sent(sent);
}

void Worker::handle_closed(void* request, ucs_status_t, void* self) noexcept {
  ucp_request_free(request);
  --static_cast<Worker*>(self)->closes_under_way_;
}

}  // namespace longhaul::transport
