// SPDX-License-Identifier: Apache-2.0
// One UCX context, worker and listener behind typed calls. Reports through WorkerEvents, from inside progress() or
// (on_sent only) from inside send(); UCX must not be called from there.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "transport/ucx/context.h"
#include "transport/ucx/listener.h"

namespace longhaul::transport {

class WorkerEvents;

/// One posted frame; lives until UCX is done with its memory, which may be long after its endpoint.
struct SendRecord {
  WorkerEvents* events = nullptr;
  EndpointId endpoint = 0;
  std::uint64_t cookie = 0;
  ConstBytes payload;
  std::size_t header_size = 0;
  std::array<std::byte, kMaxHeaderBytes> header{};
};

class WorkerEvents {
 public:
  virtual ~WorkerEvents() = default;
  /// To be answered by accept() or reject(), later.
  virtual void on_request(ucp_conn_request_h request) = 0;
  /// True: `payload` is kept, to be given back with release().
  virtual bool on_frame(ucp_ep_h from, ConstBytes header, ConstBytes payload) = 0;
  virtual void on_failure(ucp_ep_h endpoint, ucs_status_t status) = 0;
  virtual void on_sent(SendRecord* record) = 0;
};

class Worker {
 public:
  static Result<std::unique_ptr<Worker>> create(const UcxOptions& options, WorkerEvents& events);
  Worker(ContextHandle context, WorkerHandle worker, WorkerEvents& events);

  Result<std::uint16_t> listen(const UcxOptions& options, std::uint16_t reserved);
  Result<ucp_ep_h> connect(const sockaddr_in& address);
  Result<ucp_ep_h> accept(ucp_conn_request_h request);
  void reject(ucp_conn_request_h request);
  void send(ucp_ep_h endpoint, SendRecord* record);
  void force_close(ucp_ep_h endpoint);
  void release(void* payload) { ucp_am_data_release(worker_.get(), payload); }

  bool progress() { return ucp_worker_progress(worker_.get()) != 0; }
  bool arm() { return ucp_worker_arm(worker_.get()) == UCS_OK; }
  /// Where UCX accepts data connections, one port an interface.
  const std::vector<std::uint16_t>& data_ports() const { return data_ports_; }
  int wait_fd() const { return wait_fd_; }
  std::size_t closes_under_way() const { return closes_under_way_; }
  void stop_listening() { listener_.handle.reset(); }

 private:
  Status start();
  bool ours(ucp_conn_request_h request) const;
  Result<ucp_ep_h> create_endpoint(ucp_ep_params_t& params);

  static ucs_status_t handle_frame(void* self, const void* header, std::size_t header_size, void* data,
                                   std::size_t size, const ucp_am_recv_param_t* param) noexcept;
  static void handle_request(ucp_conn_request_h request, void* self) noexcept;
  static void handle_failure(void* self, ucp_ep_h endpoint, ucs_status_t status) noexcept;
  static void handle_sent(void* request, ucs_status_t status, void* record) noexcept;
  static void handle_closed(void* request, ucs_status_t status, void* self) noexcept;

  WorkerEvents& events_;
  std::size_t closes_under_way_ = 0;
  std::vector<std::uint16_t> data_ports_;
  int wait_fd_ = -1;
  bool guarded_ = false;
  ContextHandle context_;
  WorkerHandle worker_;
  Listener listener_;
};

}  // namespace longhaul::transport
