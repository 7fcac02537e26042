// SPDX-License-Identifier: Apache-2.0
// Events gathered while UCX runs and reported after it returned, so that the owner may call anything from inside an
// event.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "transport/transport.h"

namespace longhaul::transport {

struct Event {
  enum class Kind { Accepted, Received, Sent, Closed };

  Kind kind = Kind::Sent;
  EndpointId endpoint = 0;
  std::uint64_t cookie = 0;
  CloseReason reason = CloseReason::Failed;
  std::size_t header_at = 0;
  std::size_t header_size = 0;
  Inbound payload;
  std::string text;
};

class Batch {
 public:
  bool empty() const { return events_.empty(); }
  std::size_t size() const { return events_.size(); }
  std::vector<Event>& events() { return events_; }

  void accepted(EndpointId endpoint) { add(Event::Kind::Accepted, endpoint); }
  void received(EndpointId endpoint, ConstBytes header, Inbound payload) {
    Event& event = add(Event::Kind::Received, endpoint);
    event.header_at = headers_.size();
    event.header_size = header.size();
    event.payload = std::move(payload);
    headers_.insert(headers_.end(), header.begin(), header.end());
  }
  void sent(EndpointId endpoint, std::uint64_t cookie) { add(Event::Kind::Sent, endpoint).cookie = cookie; }
  void closed(EndpointId endpoint, CloseReason reason, std::string text) {
    Event& event = add(Event::Kind::Closed, endpoint);
    event.reason = reason;
    event.text = std::move(text);
  }

  ConstBytes header_of(const Event& event) const {
    return ConstBytes(headers_).subspan(event.header_at, event.header_size);
  }

  /// Gives back every payload nobody took; keeps the memory.
  void clear() {
    events_.clear();
    headers_.clear();
  }
  std::size_t memory_bytes() const { return events_.capacity() * sizeof(Event) + headers_.capacity(); }

 private:
  Event& add(Event::Kind kind, EndpointId endpoint) {
    Event& event = events_.emplace_back();
    event.kind = kind;
    event.endpoint = endpoint;
    return event;
  }

  std::vector<Event> events_;
  std::vector<std::byte> headers_;
};

}  // namespace longhaul::transport
