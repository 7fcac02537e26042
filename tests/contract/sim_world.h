// SPDX-License-Identifier: Apache-2.0
// Simulated worlds for tests of transports: a factory for the contract suite, and a World whose virtual time jumps from
// event to event.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "contract/transport_suite.h"
#include "support/catch.h"
#include "support/event_log.h"
#include "transport/sim/network.h"

namespace longhaul::testing {

using transport::LinkParameters;
using transport::Network;
using transport::SimOptions;

constexpr TimeNs kOneWay = 5 * kMillisecond;
constexpr std::uint64_t kGigabit = 1'000'000'000;

inline LinkParameters wan(std::uint64_t rate = kGigabit) {
  LinkParameters parameters;
  parameters.one_way_ns = kOneWay;
  parameters.rate_bits_per_s = rate;
  return parameters;
}

inline SimOptions wan_options() {
  SimOptions options;
  options.link = wan();
  return options;
}

/// Nanoseconds of `bytes` at 1 Gbit/s, rounded up.
inline TimeNs wire_time(std::size_t bytes) { return static_cast<TimeNs>((bytes * 8 * 20 + 18) / 19); }

inline TransportFactory sim_factory(const SimOptions& options) {
  return [options] {
    auto network = std::make_shared<Network>(3, options);
    auto now = std::make_shared<TimeNs>(0);
    TransportPair pair;
    pair.a = network->make_transport(0);
    pair.b = network->make_transport(1);
    pair.step = [network, now] { return *now += 100 * kMicrosecond; };
    pair.dead_address = [] { return Address{"", 2}; };
    return pair;
  };
}

/// Two nodes, virtual time that jumps from event to event, and a connection from 0 to 1.
struct World {
  explicit World(const SimOptions& options, int nodes = 2) : network(nodes, options) {
    for (int i = 0; i < nodes; ++i) transports.push_back(network.make_transport(i));
    logs.resize(transports.size());
    for (auto& log : logs) log = std::make_unique<EventLog>();
    REQUIRE(transports[1]->listen().ok());
  }
  ~World() {
    for (auto& log : logs) log->frames.clear();
  }

  Transport& at(int node) { return *transports[static_cast<std::size_t>(node)]; }
  EventLog& log(int node) { return *logs[static_cast<std::size_t>(node)]; }
  void poll() {
    for (std::size_t i = 0; i < transports.size(); ++i) {
      if (transports[i]) (void)transports[i]->poll(*logs[i], now);
    }
  }
  /// Goes on to the next event until there is none, or none before `end`.
  void run(TimeNs end = kNever) {
    for (int i = 0; i < 1'000'000; ++i) {
      TimeNs next = kNever;
      for (const auto& transport : transports) {
        if (transport) next = std::min(next, transport->next_event());
      }
      if (next == kNever || next > end) {
        if (end != kNever) now = std::max(now, end);
        return poll();
      }
      now = std::max(now, next);
      poll();
    }
    FAIL("the world does not come to rest");
  }
  EndpointId connect() {
    const EndpointId endpoint = at(0).connect({"", 1});
    run();
    REQUIRE(log(1).accepted.size() == 1);
    return endpoint;
  }

  Network network;
  std::vector<std::unique_ptr<Transport>> transports;
  std::vector<std::unique_ptr<EventLog>> logs;
  TimeNs now = 0;
};

}  // namespace longhaul::testing
