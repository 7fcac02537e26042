// SPDX-License-Identifier: Apache-2.0
// The Transport over a Worker: endpoint life, post records, and events reported after UCX has returned.
#pragma once

#include <thread>
#include <vector>

#include "transport/transport.h"
#include "transport/ucx/address.h"
#include "transport/ucx/batch.h"
#include "transport/ucx/endpoint.h"
#include "transport/ucx/pool.h"
#include "transport/ucx/sockets.h"
#include "transport/ucx/worker.h"

namespace longhaul::transport {

class UcxTransport final : public Transport, private WorkerEvents {
 public:
  explicit UcxTransport(const UcxOptions& options);
  ~UcxTransport() override;
  UcxTransport(const UcxTransport&) = delete;  // UCX holds its address
  UcxTransport& operator=(const UcxTransport&) = delete;

  Status start();

  Result<Address> listen() override;
  void add_peer(const Address& address) override { sockets_.add_peer(address); }
  std::optional<TimeNs> queueing(const Address& peer) const override { return sockets_.queueing(peer); }
  EndpointId connect(const Address& address) override;
  void post(EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) override;
  void close(EndpointId endpoint) override;
  bool poll(Events& events, TimeNs now) override;
  TimeNs next_event() const override;
  void append_wait_fds(std::vector<pollfd>& fds) const override;
  bool arm() override;
  std::size_t memory_bytes() const override;

 private:
  struct Held {
    void* data = nullptr;
    std::size_t size = 0;
  };
  struct Failure {
    EndpointId endpoint = 0;
    ucs_status_t status = UCS_OK;
  };

  void on_request(ucp_conn_request_h request) override { requests_.push_back(request); }
  bool on_frame(ucp_ep_h from, ConstBytes header, ConstBytes payload) override;
  void on_failure(ucp_ep_h endpoint, ucs_status_t status) override;
  void on_sent(SendRecord* record) override;

  void check_thread() const;
  void accept_requests();
  void handle_failures();
  void advance_unsettled();
  bool advance(Endpoint& endpoint);
  void dial(Endpoint& endpoint);
  void start_probe(Endpoint& endpoint, std::string trouble);
  void fail(Endpoint& endpoint, CloseReason reason, std::string text);
  void drop_handle(Endpoint& endpoint);
  bool report(Events& events);
  void report_one(Events& events, Event& event);
  void drain();
  static void give_back(void* self, void* token);

  const UcxOptions options_;
  ReservedPort reserved_;  ///< until listen()
  const std::thread::id owner_ = std::this_thread::get_id();
  TimeNs now_ = 0;
  std::size_t held_bytes_ = 0;
  bool listening_ = false;
  bool reporting_now_ = false;
  bool untuned_ = false;  ///< a connection has come up whose socket is not set up yet
  DataSockets sockets_;
  Pool<SendRecord> records_;
  Pool<Held> held_;
  EndpointTable endpoints_;
  std::vector<EndpointId> unsettled_;  ///< resolving or probing
  std::vector<ucp_conn_request_h> requests_;
  std::vector<Failure> failures_;
  Batch pending_;
  Batch reporting_;
  std::unique_ptr<Worker> worker_;  // last: its end may still complete records
};

}  // namespace longhaul::transport
