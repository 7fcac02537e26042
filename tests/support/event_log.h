// SPDX-License-Identifier: Apache-2.0
// An Events implementation that records everything a transport reports, in order, for tests. Payloads are kept as
// Inbound (so the transport's own memory is looked at), or copied and given back at once when `copy_payloads` is set.
// The recorder must die, or be cleared, before its transport.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "transport/transport.h"

namespace longhaul::testing {

struct ReceivedFrame {
  transport::EndpointId endpoint = 0;
  std::vector<std::byte> header;
  std::vector<std::byte> copy;  ///< the payload when copied
  transport::Inbound kept;      ///< the payload when kept
  bool copied = false;

  ConstBytes payload() const { return copied ? ConstBytes(copy) : kept.bytes(); }
};

struct ClosedEndpoint {
  transport::EndpointId endpoint = 0;
  transport::CloseReason reason = transport::CloseReason::Failed;
  std::string text;
};

class EventLog : public transport::Events {
 public:
  bool copy_payloads = true;
  /// Called at the end of the matching event, for tests that act from inside poll.
  std::function<void(transport::EndpointId)> when_accepted;
  std::function<void(const ReceivedFrame&)> when_received;

  std::vector<transport::EndpointId> accepted;
  std::vector<ReceivedFrame> frames;
  std::map<std::uint64_t, int> sent;  ///< cookie -> how often it was reported
  std::vector<ClosedEndpoint> closed;

  void on_accept(transport::EndpointId endpoint) override {
    accepted.push_back(endpoint);
    if (when_accepted) when_accepted(endpoint);
  }

  void on_receive(transport::EndpointId endpoint, ConstBytes header, transport::Inbound payload) override {
    ReceivedFrame frame;
    frame.endpoint = endpoint;
    frame.header.assign(header.begin(), header.end());
    frame.copied = copy_payloads;
    if (copy_payloads) {
      frame.copy.assign(payload.bytes().begin(), payload.bytes().end());
    } else {
      frame.kept = std::move(payload);
    }
    if (when_received) when_received(frame);
    frames.push_back(std::move(frame));
  }

  void on_sent(transport::EndpointId, std::uint64_t cookie) override { ++sent[cookie]; }

  void on_close(transport::EndpointId endpoint, transport::CloseReason reason, const std::string& text) override {
    closed.push_back({endpoint, reason, text});
  }

  const ClosedEndpoint* find_closed(transport::EndpointId endpoint) const {
    for (const ClosedEndpoint& one : closed) {
      if (one.endpoint == endpoint) return &one;
    }
    return nullptr;
  }
  /// Cookies first .. first+count-1 were each reported exactly once.
  bool sent_once(std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t cookie = first; cookie < first + count; ++cookie) {
      const auto found = sent.find(cookie);
      if (found == sent.end() || found->second != 1) return false;
    }
    return true;
  }
};

}  // namespace longhaul::testing
