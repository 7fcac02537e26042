// SPDX-License-Identifier: Apache-2.0
// SimTransport: one node's view of a simulated Network. An eventfd wakes it for what happens earlier than it knew when
// it was armed; everything else it knows by next_event().
#pragma once

#include <memory>

#include "base/fd.h"
#include "transport/sim/fabric.h"
#include "transport/transport.h"

namespace longhaul::transport {

class SimTransport final : public Transport {
 public:
  SimTransport(std::shared_ptr<Fabric> fabric, int node);
  ~SimTransport() override;
  SimTransport(const SimTransport&) = delete;
  SimTransport& operator=(const SimTransport&) = delete;

  Result<Address> listen() override;
  EndpointId connect(const Address& address) override { return fabric_->connect(node_, address.port); }
  void post(EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) override;
  void close(EndpointId endpoint) override { fabric_->close(node_, endpoint); }
  bool poll(Events& events, TimeNs now) override;
  TimeNs next_event() const override { return fabric_->next_event(node_); }
  void append_wait_fds(std::vector<pollfd>& fds) const override;
  bool arm() override { return fabric_->arm(node_); }
  std::size_t memory_bytes() const override { return fabric_->pool(node_).memory_bytes(); }

 private:
  void report(Fabric::Event* event, Events& events);
  void report_frame(Fabric::Event* event, Events& events);

  std::shared_ptr<Fabric> fabric_;
  int node_;
  Fd wake_;
  Fabric::Event event_;
  bool listening_ = false;
};

}  // namespace longhaul::transport
