// SPDX-License-Identifier: Apache-2.0
// What every Transport promises, as functions over a factory: each implementation's contract test calls
// run_transport_suite, or the functions one by one. Nothing here looks at a clock; a bound on the number of steps ends
// a test that hangs.
//
// A factory makes two fresh transports that can reach each other, neither listening yet.
#pragma once

#include "contract/transport_pair.h"

namespace longhaul::testing {

inline void check_frames_of_every_size_arrive_whole(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  const std::vector<std::size_t> sizes = {0,    1,    7,     64,     1000,    1024,         4096,
                                          8192, 8193, 65536, 100000, 1 << 20, (1 << 22) + 3};
  std::vector<std::vector<std::byte>> payloads;
  for (std::size_t i = 0; i < sizes.size(); ++i) payloads.push_back(pattern_bytes(sizes[i], i));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    bench.pair.a->post(ends.at_a, pattern_bytes(i * 20, i), payloads[i], i + 1);  // headers of 0 .. 240 bytes
    bench.pair.b->post(ends.at_b, pattern_bytes(transport::kMaxHeaderBytes, i), payloads[i], i + 1);
  }
  REQUIRE(bench.run_until([&] {
    return bench.at_a.frames.size() >= sizes.size() && bench.at_b.frames.size() >= sizes.size() &&
           bench.at_a.sent_once(1, sizes.size()) && bench.at_b.sent_once(1, sizes.size());
  }));
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    INFO("frame " << i << " of " << sizes[i] << " bytes");
    CHECK(same_bytes(bench.at_b.frames[i].header, pattern_bytes(i * 20, i)));
    CHECK(same_bytes(bench.at_b.frames[i].payload(), payloads[i]));
    CHECK(same_bytes(bench.at_a.frames[i].header, pattern_bytes(transport::kMaxHeaderBytes, i)));
    CHECK(same_bytes(bench.at_a.frames[i].payload(), payloads[i]));
  }
  CHECK(bench.at_a.closed.empty());
  CHECK(bench.at_b.closed.empty());
}

inline void check_posts_before_the_connection_is_up_arrive_in_order(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  const EndpointId endpoint = bench.pair.a->connect(bench.address);
  constexpr std::uint64_t kFrames = 50;
  const std::vector<std::byte> payload = pattern_bytes(3000, 1);
  for (std::uint64_t i = 0; i < kFrames; ++i) bench.pair.a->post(endpoint, number_header(i), payload, i + 1);
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() >= kFrames && bench.at_a.sent_once(1, kFrames); }));
  REQUIRE(bench.at_b.accepted.size() == 1);
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    CHECK(header_number(bench.at_b.frames[i].header) == i);
    CHECK(bench.at_b.frames[i].endpoint == bench.at_b.accepted[0]);
  }
}

inline void check_many_small_frames_keep_their_order(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  constexpr std::uint64_t kFrames = 20000;
  std::vector<std::vector<std::byte>> payloads;
  for (std::uint64_t i = 0; i < 64; ++i) payloads.push_back(pattern_bytes(i * 3, i));
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    bench.pair.a->post(ends.at_a, number_header(i), payloads[i % 64], i + 1);
    if (i % 500 == 0) bench.poll_both();
  }
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() >= kFrames && bench.at_a.sent_once(1, kFrames); }));
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    const ReceivedFrame& frame = bench.at_b.frames[i];
    if (header_number(frame.header) != i || !same_bytes(frame.payload(), payloads[i % 64])) ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(bench.at_b.frames.size() == kFrames);
}

/// `total` frames of `size` bytes each way with at most `window` in flight, contents checked as they arrive.
inline void check_bulk_both_ways(const TransportFactory& factory, std::uint64_t total, std::size_t size,
                                 std::uint64_t window) {
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  std::vector<std::vector<std::byte>> slots;
  for (std::uint64_t i = 0; i < window; ++i) slots.push_back(pattern_bytes(size, i));
  std::uint64_t wrong = 0;
  std::uint64_t arrived[2] = {0, 0};
  const auto watch = [&](EventLog& log, std::uint64_t& count) {
    log.copy_payloads = false;
    log.when_received = [&](const ReceivedFrame& frame) {
      if (header_number(frame.header) != count || !same_bytes(frame.payload(), slots[count % window])) ++wrong;
      ++count;
    };
  };
  watch(bench.at_a, arrived[0]);
  watch(bench.at_b, arrived[1]);
  std::uint64_t posted[2] = {0, 0};
  const auto push = [&](Transport& from, EndpointId endpoint, const EventLog& log, std::uint64_t& count) {
    while (count < total && count - log.sent.size() < window) {
      from.post(endpoint, number_header(count), slots[count % window], count + 1);
      ++count;
    }
  };
  REQUIRE(bench.run_until([&] {
    push(*bench.pair.a, ends.at_a, bench.at_a, posted[0]);
    push(*bench.pair.b, ends.at_b, bench.at_b, posted[1]);
    bench.at_a.frames.clear();
    bench.at_b.frames.clear();
    return arrived[0] == total && arrived[1] == total && bench.at_a.sent.size() == total &&
           bench.at_b.sent.size() == total;
  }));
  CHECK(wrong == 0);
  CHECK(bench.at_a.sent_once(1, total));
  CHECK(bench.at_b.sent_once(1, total));
}

inline void check_kept_payloads_stay_intact(const TransportFactory& factory) {
  Bench bench(factory);
  bench.at_b.copy_payloads = false;
  bench.listen();
  const Bench::Ends ends = bench.connect();
  constexpr std::uint64_t kFrames = 200;
  std::vector<std::vector<std::byte>> payloads;
  for (std::uint64_t i = 0; i < kFrames; ++i) payloads.push_back(pattern_bytes(100 + i * 177, i));
  for (std::uint64_t i = 0; i < kFrames; ++i) bench.pair.a->post(ends.at_a, number_header(i), payloads[i], i + 1);
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() >= kFrames; }));
  // Held past the end of their endpoint, given back in another order than they came.
  bench.pair.a->close(ends.at_a);
  REQUIRE(bench.run_until([&] { return bench.at_b.find_closed(ends.at_b) != nullptr; }));
  std::uint64_t wrong = 0;
  for (std::uint64_t i = kFrames; i-- > 0;) {
    if (!same_bytes(bench.at_b.frames[i].payload(), payloads[i])) ++wrong;
    bench.at_b.frames[i].kept = transport::Inbound();
  }
  CHECK(wrong == 0);
}

inline void check_a_close_is_seen_by_the_other_side_only(const TransportFactory& factory) {
  const bool by_acceptor = GENERATE(false, true);
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  if (by_acceptor) {
    bench.pair.b->close(ends.at_b);
    REQUIRE(bench.run_until([&] { return bench.at_a.find_closed(ends.at_a) != nullptr; }));
    CHECK(bench.at_a.find_closed(ends.at_a)->reason == CloseReason::Reset);
    CHECK_FALSE(bench.at_a.find_closed(ends.at_a)->text.empty());
    CHECK(bench.at_b.closed.empty());
  } else {
    bench.pair.a->close(ends.at_a);
    REQUIRE(bench.run_until([&] { return bench.at_b.find_closed(ends.at_b) != nullptr; }));
    CHECK(bench.at_b.find_closed(ends.at_b)->reason == CloseReason::Reset);
    CHECK(bench.at_a.closed.empty());
  }
  bench.run_steps(20);
  CHECK(bench.at_a.closed.size() + bench.at_b.closed.size() == 1);  // reported once
}

inline void check_posts_to_a_gone_endpoint_are_given_back(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  const std::vector<std::byte> payload = pattern_bytes(5000, 3);
  bench.pair.a->close(ends.at_a);
  bench.pair.a->post(ends.at_a, number_header(1), payload, 71);
  bench.pair.a->post(ends.at_a, number_header(2), {}, 0);
  bench.pair.a->close(ends.at_a);  // closing twice is harmless
  bench.poll_both();
  CHECK(bench.at_a.sent_once(71, 1));
  REQUIRE(bench.run_until([&] { return bench.at_b.find_closed(ends.at_b) != nullptr; }));
  bench.pair.b->post(ends.at_b, number_header(3), payload, 72);
  bench.poll_both();
  CHECK(bench.at_b.sent_once(72, 1));
  CHECK(bench.at_a.closed.empty());
  bench.pair.a->post(987654, number_header(4), payload, 73);  // never existed
  bench.poll_both();
  CHECK(bench.at_a.sent_once(73, 1));
}

inline void check_closing_with_frames_in_flight_gives_every_cookie_back(const TransportFactory& factory) {
  const bool by_sender = GENERATE(false, true);
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  constexpr std::uint64_t kFrames = 40;
  const std::vector<std::byte> payload = pattern_bytes(1 << 20, 5);
  for (std::uint64_t i = 0; i < kFrames; ++i) bench.pair.a->post(ends.at_a, number_header(i), payload, i + 1);
  bench.run_steps(3);
  const std::size_t before = bench.at_b.frames.size();
  if (by_sender) {
    bench.pair.a->close(ends.at_a);
  } else {
    bench.pair.b->close(ends.at_b);
  }
  REQUIRE(bench.run_until([&] { return bench.at_a.sent_once(1, kFrames); }));
  CHECK(bench.at_a.sent.size() == kFrames);
  if (!by_sender) CHECK(bench.at_b.frames.size() == before);  // nothing is received from an endpoint one closed
  for (const ReceivedFrame& frame : bench.at_b.frames) CHECK(same_bytes(frame.payload(), payload));
}

inline void check_reconnecting_after_a_close(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  std::vector<EndpointId> seen_a;
  std::vector<EndpointId> seen_b;
  for (int round = 0; round < 10; ++round) {
    const Bench::Ends ends = bench.connect();
    CHECK(std::count(seen_a.begin(), seen_a.end(), ends.at_a) == 0);  // ids are never used again
    CHECK(std::count(seen_b.begin(), seen_b.end(), ends.at_b) == 0);
    seen_a.push_back(ends.at_a);
    seen_b.push_back(ends.at_b);
    if (round % 2 == 0) {
      bench.pair.a->close(ends.at_a);
    } else {
      bench.pair.b->close(ends.at_b);
    }
  }
}

inline void check_many_endpoints_do_not_mix(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  constexpr std::uint64_t kEndpoints = 8;
  constexpr std::uint64_t kFrames = 400;
  std::vector<Bench::Ends> ends;
  for (std::uint64_t i = 0; i < kEndpoints; ++i) ends.push_back(bench.connect());
  const std::vector<std::byte> payload = pattern_bytes(20000, 9);
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    bench.pair.a->post(ends[i % kEndpoints].at_a, number_header(i), payload, i + 1);
    bench.pair.b->post(ends[i % kEndpoints].at_b, number_header(i), payload, i + 1);
  }
  REQUIRE(bench.run_until([&] { return bench.at_a.frames.size() >= kFrames && bench.at_b.frames.size() >= kFrames; }));
  for (const EventLog* log : {&bench.at_a, &bench.at_b}) {
    std::map<EndpointId, std::uint64_t> next;
    for (const ReceivedFrame& frame : log->frames) {
      const std::uint64_t number = header_number(frame.header);
      const Bench::Ends& end = ends[number % kEndpoints];
      CHECK(frame.endpoint == (log == &bench.at_a ? end.at_a : end.at_b));
      CHECK(number / kEndpoints == next[frame.endpoint]++);  // in order within its endpoint
      CHECK(frame.payload().size() == payload.size());
    }
  }
}

inline void check_calls_from_inside_events(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  bench.at_b.when_received = [&](const ReceivedFrame& frame) {
    const std::uint64_t number = header_number(frame.header);
    if (number < 5) {
      bench.pair.b->post(frame.endpoint, number_header(number), {}, 0);  // answers from inside poll
    } else {
      bench.pair.b->close(frame.endpoint);  // and closes there
    }
  };
  const EndpointId endpoint = bench.pair.a->connect(bench.address);
  for (std::uint64_t i = 0; i < 10; ++i) bench.pair.a->post(endpoint, number_header(i), {}, 0);
  REQUIRE(bench.run_until([&] { return bench.at_a.find_closed(endpoint) != nullptr; }));
  CHECK(bench.at_b.frames.size() == 6);  // none after the close
  CHECK(bench.at_a.frames.size() <= 5);  // answers may be lost with the connection

  bench.at_b.when_received = nullptr;
  bench.at_b.when_accepted = [&](EndpointId stranger) { bench.pair.b->close(stranger); };
  const EndpointId refused = bench.pair.a->connect(bench.address);
  REQUIRE(bench.run_until([&] { return bench.at_a.find_closed(refused) != nullptr; }));
  CHECK(bench.at_a.find_closed(refused)->reason != CloseReason::Refused);  // somebody did listen
}

inline void check_a_dead_address_is_refused(const TransportFactory& factory) {
  Bench bench(factory);
  if (!bench.pair.dead_address) return;
  bench.listen();
  const EndpointId endpoint = bench.pair.a->connect(bench.pair.dead_address());
  const std::vector<std::byte> payload = pattern_bytes(1000, 1);
  bench.pair.a->post(endpoint, number_header(1), payload, 5);
  REQUIRE(bench.run_until([&] { return bench.at_a.find_closed(endpoint) != nullptr && bench.at_a.sent_once(5, 1); }));
  INFO(bench.at_a.find_closed(endpoint)->text);
  CHECK(bench.at_a.find_closed(endpoint)->reason == CloseReason::Refused);
  CHECK(bench.at_a.closed.size() == 1);
  const Bench::Ends ends = bench.connect();  // and the transport still works
  CHECK(ends.at_a != endpoint);
}

inline void check_an_idle_transport_can_sleep(const TransportFactory& factory) {
  Bench bench(factory);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  const auto quiet = [&] { return bench.pair.a->arm() && bench.pair.b->arm(); };
  REQUIRE(bench.run_until(quiet));
  bench.pair.a->post(ends.at_a, number_header(1), {}, 0);
  // Whoever sleeps on the descriptors, or until next_event, must be woken for the frame.
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() == 1; }));
  REQUIRE(bench.run_until(quiet));
}

inline void run_transport_suite(const TransportFactory& factory) {
  SECTION("frames of every size arrive whole") { check_frames_of_every_size_arrive_whole(factory); }
  SECTION("posts before the connection is up arrive in order") {
    check_posts_before_the_connection_is_up_arrive_in_order(factory);
  }
  SECTION("many small frames keep their order") { check_many_small_frames_keep_their_order(factory); }
  SECTION("bulk both ways") { check_bulk_both_ways(factory, 200, 100000, 8); }
  SECTION("kept payloads stay intact") { check_kept_payloads_stay_intact(factory); }
  SECTION("a close is seen by the other side only") { check_a_close_is_seen_by_the_other_side_only(factory); }
  SECTION("posts to a gone endpoint are given back") { check_posts_to_a_gone_endpoint_are_given_back(factory); }
  SECTION("closing with frames in flight gives every cookie back") {
    check_closing_with_frames_in_flight_gives_every_cookie_back(factory);
  }
  SECTION("reconnecting after a close") { check_reconnecting_after_a_close(factory); }
  SECTION("many endpoints do not mix") { check_many_endpoints_do_not_mix(factory); }
  SECTION("calls from inside events") { check_calls_from_inside_events(factory); }
  SECTION("a dead address is refused") { check_a_dead_address_is_refused(factory); }
  SECTION("an idle transport can sleep") { check_an_idle_transport_can_sleep(factory); }
}

}  // namespace longhaul::testing
