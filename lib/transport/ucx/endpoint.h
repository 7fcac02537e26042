// SPDX-License-Identifier: Apache-2.0
// The endpoints of a UCX transport, by id and by UCX handle.
//
//   connect()                               stranger
//      |                                       |
//   Resolving --address--> Open <--------------+
//      |                    | UCX error, or cannot be created
//      | no address         +-- spoke before, or accepted --> Failed (Reset)
//      |                    +-- else --> Probing --verdict--> Failed (Refused or Failed)
//      +--> Failed (Failed)
//
// Failed waits for its on_close to be reported. The owner's close removes an endpoint in any state, silently.
#pragma once

#include <ucp/api/ucp.h>

#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "transport/transport.h"
#include "transport/ucx/lookup.h"
#include "transport/ucx/probe.h"
#include "transport/ucx/worker.h"

namespace longhaul::transport {

struct Endpoint {
  enum class State { Resolving, Open, Probing, Failed };

  EndpointId id = 0;
  State state = State::Open;
  ucp_ep_h handle = nullptr;  ///< only while Open
  Address remote;             ///< as dialled; empty host: accepted
  sockaddr_in address{};
  bool spoke = false;  ///< a frame came in: the connection was up
  std::string trouble;
  std::optional<Lookup> lookup;
  std::optional<Probe> probe;
  std::vector<SendRecord*> waiting;  ///< posts made while Resolving

  bool accepted() const { return remote.host.empty(); }
};

class EndpointTable {
 public:
  Endpoint& add() {
    auto made = std::make_unique<Endpoint>();
    made->id = next_id_++;
    Endpoint& endpoint = *made;
    by_id_.emplace(endpoint.id, std::move(made));
    return endpoint;
  }
  Endpoint* find(EndpointId id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second.get();
  }
  Endpoint* find(ucp_ep_h handle) const {
    const auto found = by_handle_.find(handle);
    return found == by_handle_.end() ? nullptr : found->second;
  }
  void open(Endpoint& endpoint, ucp_ep_h handle) {
    endpoint.state = Endpoint::State::Open;
    endpoint.handle = handle;
    by_handle_[handle] = &endpoint;
  }
  /// Takes the handle away from the endpoint; null where it has none.
  ucp_ep_h detach(Endpoint& endpoint) {
    if (endpoint.handle != nullptr) by_handle_.erase(endpoint.handle);
    return std::exchange(endpoint.handle, nullptr);
  }
  void erase(EndpointId id) { by_id_.erase(id); }
  std::size_t size() const { return by_id_.size(); }
  std::vector<EndpointId> ids() const {
    std::vector<EndpointId> all;
    for (const auto& [id, endpoint] : by_id_) all.push_back(id);
    return all;
  }

 private:
  EndpointId next_id_ = 1;
  std::unordered_map<EndpointId, std::unique_ptr<Endpoint>> by_id_;
  std::unordered_map<ucp_ep_h, Endpoint*> by_handle_;
};

}  // namespace longhaul::transport
