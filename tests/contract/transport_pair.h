// SPDX-License-Identifier: Apache-2.0
// Two connected ends of a transport and what the contract suite does with them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/catch.h"
#include "support/event_log.h"
#include "transport/transport.h"

namespace longhaul::testing {

using transport::Address;
using transport::CloseReason;
using transport::EndpointId;
using transport::Transport;

struct TransportPair {
  std::unique_ptr<Transport> a;
  std::unique_ptr<Transport> b;
  /// Lets the world go on a little (waits up to a millisecond, or moves a virtual clock); returns the time to poll
  /// with.
  std::function<TimeNs()> step;
  /// An address on b's machine where nobody listens; empty function: the transport has no such notion.
  std::function<Address()> dead_address;
  int max_steps = 60000;  ///< a test that needs more has failed
};

using TransportFactory = std::function<TransportPair()>;

inline std::vector<std::byte> pattern_bytes(std::size_t size, std::uint64_t seed) {
  std::vector<std::byte> bytes(size);
  std::uint64_t x = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (std::byte& one : bytes) {
    x = x * 6364136223846793005ULL + 1442695040888963407ULL;
    one = static_cast<std::byte>(x >> 56);
  }
  return bytes;
}

inline std::vector<std::byte> number_header(std::uint64_t number) {
  std::vector<std::byte> header(8);
  ByteWriter(header).u64(number);
  return header;
}

inline std::uint64_t header_number(ConstBytes header) { return ByteReader(header).u64(); }

inline bool same_bytes(ConstBytes a, ConstBytes b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

/// Two transports with their recorders, the connection a -> b, and the loop that drives them.
class Bench {
 public:
  explicit Bench(const TransportFactory& factory) : pair(factory()) {}
  ~Bench() {
    for (EventLog* log : {&at_a, &at_b}) log->frames.clear();  // an Inbound must die before its transport
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;

  TransportPair pair;
  EventLog at_a;
  EventLog at_b;
  Address address;

  void poll_both() {
    const TimeNs now = pair.step();
    if (pair.a) (void)pair.a->poll(at_a, now);
    if (pair.b) (void)pair.b->poll(at_b, now);
  }

  /// Steps until `done`; false when the bound was reached.
  [[nodiscard]] bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < pair.max_steps; ++i) {
      if (done()) return true;
      poll_both();
    }
    return done();
  }

  void run_steps(int count) {
    for (int i = 0; i < count; ++i) poll_both();
  }

  void listen() {
    Result<Address> listening = pair.b->listen();
    INFO(listening.status().text());
    REQUIRE(listening.ok());
    address = *listening;
  }

  struct Ends {
    EndpointId at_a = 0;
    EndpointId at_b = 0;
  };

  /// A connection proven by one empty frame each way.
  Ends connect() {
    const std::size_t accepted = at_b.accepted.size();
    const std::size_t frames_b = at_b.frames.size();
    const std::size_t frames_a = at_a.frames.size();
    Ends ends;
    ends.at_a = pair.a->connect(address);
    pair.a->post(ends.at_a, number_header(0), {}, 0);
    REQUIRE(run_until([&] { return at_b.accepted.size() > accepted && at_b.frames.size() > frames_b; }));
    ends.at_b = at_b.accepted.back();
    REQUIRE(at_b.frames.back().endpoint == ends.at_b);
    pair.b->post(ends.at_b, number_header(0), {}, 0);
    REQUIRE(run_until([&] { return at_a.frames.size() > frames_a; }));
    REQUIRE(at_a.frames.back().endpoint == ends.at_a);
    at_a.frames.clear();
    at_b.frames.clear();
    return ends;
  }
};

}  // namespace longhaul::testing
