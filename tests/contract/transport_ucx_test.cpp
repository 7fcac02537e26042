// SPDX-License-Identifier: Apache-2.0
// The transport contract over real UCX, two transports of one process on the loopback interface.
#include "contract/ucx_support.h"
#include "support/catch.h"

namespace {

using namespace longhaul;
using namespace longhaul::testing;

TEST_CASE("the UCX transport keeps the transport contract", "[contract][ucx]") { run_transport_suite(loopback_pair); }

TEST_CASE("a thousand 1 MiB frames cross UCX both ways unharmed", "[contract][ucx]") {
  check_bulk_both_ways(loopback_pair, 1000, 1 << 20, 8);
}

TEST_CASE("a 16 MiB frame is posted, not negotiated", "[contract][ucx]") {
  // The receiving side drops a rendezvous, so arrival shows that there was none.
  Bench bench(loopback_pair);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  const std::vector<std::byte> payload = pattern_bytes(16 << 20, 2);
  bench.pair.a->post(ends.at_a, number_header(1), payload, 1);
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() == 1 && bench.at_a.sent_once(1, 1); }));
  CHECK(same_bytes(bench.at_b.frames[0].payload(), payload));
}

TEST_CASE("UCX options that cannot work are refused with a text", "[contract][ucx]") {
  const auto text_for = [](const transport::UcxOptions& options) {
    const auto made = transport::make_ucx_transport(options);
    return made.ok() ? std::string("(accepted)") : made.status().text();
  };
  CHECK(text_for({"::1", "", 0, 0}).find("IPv6") != std::string::npos);
  CHECK(text_for({"", "fe80::1", 0, 0}).find("IPv6") != std::string::npos);
  CHECK(text_for({"localhost", "", 0, 0}).find("not an IPv4 address") != std::string::npos);
  CHECK(text_for({"127.0.0.1", "", 20000, 0}).find("not a range") != std::string::npos);
  CHECK(text_for({"127.0.0.1", "", 20001, 20000}).find("not a range") != std::string::npos);
  CHECK(text_for({"192.0.2.77", "", 20000, 20010}).find("192.0.2.77") != std::string::npos);
}

TEST_CASE("listening tells what others dial", "[contract][ucx]") {
  const auto host_for = [](const transport::UcxOptions& options) {
    Result<std::unique_ptr<Transport>> made = transport::make_ucx_transport(options);
    REQUIRE(made.ok());
    Result<Address> address = (*made)->listen();
    INFO(address.status().text());
    REQUIRE(address.ok());
    CHECK(address->port != 0);
    return address->host;
  };
  CHECK(host_for({"127.0.0.1", "", 0, 0}) == "127.0.0.1");
  CHECK(host_for({"127.0.0.1", "gpu7.example", 0, 0}) == "gpu7.example");
  const std::string any = host_for({});
  CHECK(any.find(':') == std::string::npos);
  CHECK(any != "0.0.0.0");
  CHECK_FALSE(any.empty());
}

TEST_CASE("every socket a UCX transport listens at is in its port range", "[contract][ucx]") {
  const std::vector<sockaddr_in> before = listening_sockets();
  transport::UcxOptions options{"127.0.0.1", "", 23100, 23139};
  std::vector<std::unique_ptr<Transport>> all;
  for (int i = 0; i < 4; ++i) {
    Result<std::unique_ptr<Transport>> made = transport::make_ucx_transport(options);
    INFO(made.status().text());
    REQUIRE(made.ok());
    all.push_back(std::move(*made));
    Result<Address> address = all.back()->listen();
    INFO(address.status().text());
    REQUIRE(address.ok());
  }
  const std::vector<sockaddr_in> now = listening_sockets();
  CHECK(now.size() >= before.size() + 8);
  for (const sockaddr_in& one : now) {
    CHECK(ntohs(one.sin_port) >= options.first_port);
    CHECK(ntohs(one.sin_port) <= options.last_port);
  }
  // Two ports serve one process; a second finds the range full instead of looking for ever.
  transport::UcxOptions two{"127.0.0.1", "", 23140, 23141};
  Result<std::unique_ptr<Transport>> first = transport::make_ucx_transport(two);
  INFO(first.status().text());
  REQUIRE(first.ok());
  REQUIRE((*first)->listen().ok());
  const Result<std::unique_ptr<Transport>> second = transport::make_ucx_transport(two);
  REQUIRE_FALSE(second.ok());
  CHECK(second.status().text().find("23140-23141") != std::string::npos);
}

TEST_CASE("UCX dials names and reports those that do not resolve", "[contract][ucx]") {
  Bench bench(loopback_pair);
  bench.listen();
  bench.address.host = "localhost";
  const Bench::Ends ends = bench.connect();
  CHECK(ends.at_a != 0);
  for (const std::string host : {"nosuch.invalid", "::1", ""}) {
    const std::vector<std::byte> payload = pattern_bytes(10, 1);
    const EndpointId endpoint = bench.pair.a->connect({host, 1});
    bench.pair.a->post(endpoint, number_header(1), payload, endpoint + 100);
    REQUIRE(bench.run_until([&] { return bench.at_a.find_closed(endpoint) != nullptr; }));
    CHECK(bench.at_a.find_closed(endpoint)->reason == CloseReason::Failed);
    CHECK(bench.at_a.sent_once(endpoint + 100, 1));
  }
}

TEST_CASE("an address that does not answer is not taken for a refusal", "[contract][ucx]") {
  // A listener with a full queue drops what comes, as a dead machine does.
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at = ipv4_loopback(0);
  socklen_t size = sizeof(at);
  REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&at), sizeof(at)) == 0);
  REQUIRE(::listen(listener.get(), 0) == 0);
  REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  std::vector<Fd> fillers;
  for (int i = 0; i < 4; ++i) fillers.push_back(plain_connection(at));
  Bench bench(loopback_pair);
  bench.listen();
  const EndpointId silent = bench.pair.a->connect({"127.0.0.1", ntohs(at.sin_port)});
  const std::vector<std::byte> payload = pattern_bytes(100000, 1);
  bench.pair.a->post(silent, number_header(1), payload, 9);
  bench.run_steps(300);
  const ClosedEndpoint* closed = bench.at_a.find_closed(silent);
  CHECK((closed == nullptr || closed->reason != CloseReason::Refused));
  bench.pair.a->close(silent);
  CHECK(bench.run_until([&] { return bench.at_a.sent_once(9, 1); }));
  CHECK(bench.connect().at_a != silent);  // nothing is stuck
}

TEST_CASE("an idle UCX transport sleeps", "[contract][ucx]") {
  Bench bench(loopback_pair);
  bench.listen();
  for (int i = 0; i < 8; ++i) (void)bench.connect();
  REQUIRE(bench.run_until([&] { return bench.pair.a->arm() && bench.pair.b->arm(); }));
  std::vector<pollfd> fds;
  bench.pair.a->append_wait_fds(fds);
  bench.pair.b->append_wait_fds(fds);
  CHECK(::poll(fds.data(), fds.size(), 200) == 0);
  CHECK(bench.pair.a->next_event() == kNever);
}

TEST_CASE("UCX transports give their memory back", "[contract][ucx]") {
  Bench bench(loopback_pair);
  bench.at_b.copy_payloads = false;
  bench.listen();
  const Bench::Ends ends = bench.connect();
  const std::size_t idle = bench.pair.b->memory_bytes();
  const std::vector<std::byte> payload = pattern_bytes(1 << 20, 1);
  for (std::uint64_t i = 0; i < 8; ++i) bench.pair.a->post(ends.at_a, number_header(i), payload, i + 1);
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() == 8; }));
  CHECK(bench.pair.b->memory_bytes() >= idle + 8 * payload.size());
  bench.at_b.frames.clear();
  CHECK(bench.pair.b->memory_bytes() < idle + payload.size());
}

}  // namespace
