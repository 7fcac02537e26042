// SPDX-License-Identifier: Apache-2.0
// The UCX transport against another process, and against strangers with plain sockets.
#include <algorithm>
#include <map>

#include "base/random.h"
#include "contract/ucx_support.h"
#include "support/catch.h"
#include "support/peer_process.h"

namespace {

using namespace longhaul;
using namespace longhaul::testing;

constexpr const char* kEchoPeer = "echo peer for the UCX transport tests";

/// Sends every frame back and keeps its payload until UCX has sent it.
class Echo : public transport::Events {
 public:
  explicit Echo(Transport& transport) : transport_(transport) {}
  void on_accept(EndpointId) override {}
  void on_receive(EndpointId endpoint, ConstBytes header, transport::Inbound payload) override {
    const std::uint64_t cookie = payload.bytes().empty() ? 0 : next_cookie_++;
    const ConstBytes bytes = payload.bytes();
    if (cookie != 0) held_.emplace(cookie, std::move(payload));
    transport_.post(endpoint, header, bytes, cookie);
  }
  void on_sent(EndpointId, std::uint64_t cookie) override { held_.erase(cookie); }
  void on_close(EndpointId, CloseReason, const std::string&) override {}

 private:
  Transport& transport_;
  std::uint64_t next_cookie_ = 1;
  std::map<std::uint64_t, transport::Inbound> held_;
};

TEST_CASE("echo peer for the UCX transport tests", "[.peer]") {
  if (std::getenv(kPeerPipeVariable) == nullptr) return;
  const std::unique_ptr<Transport> transport = loopback_transport();
  Echo echo(*transport);
  const Result<Address> address = transport->listen();
  REQUIRE(address.ok());
  REQUIRE(report_port_to_parent(address->port));
  for (;;) (void)transport->poll(echo, wait_for_any({transport.get()}));  // until killed
}

struct Client {
  std::unique_ptr<Transport> transport = loopback_transport();
  EventLog log;

  ~Client() { log.frames.clear(); }
  [[nodiscard]] bool run_until(const std::function<bool()>& done) {
    for (int i = 0; i < 60000 && !done(); ++i) (void)transport->poll(log, wait_for_any({transport.get()}));
    return done();
  }
};

TEST_CASE("UCX frames go to another process and back unharmed", "[contract][ucx]") {
  PeerProcess peer(kEchoPeer);
  REQUIRE(peer.port() != 0);
  Client client;
  constexpr std::uint64_t kFrames = 200;
  const std::vector<std::byte> payload = pattern_bytes((1 << 20) + 1, 4);
  const EndpointId endpoint = client.transport->connect({"127.0.0.1", peer.port()});
  std::uint64_t posted = 0;
  std::uint64_t wrong = 0;
  std::uint64_t back = 0;
  client.log.copy_payloads = false;
  client.log.when_received = [&](const ReceivedFrame& frame) {
    if (header_number(frame.header) != back++ || !same_bytes(frame.payload(), payload)) ++wrong;
  };
  CHECK(client.run_until([&] {
    client.log.frames.clear();
    for (; posted < kFrames && posted < back + 8; ++posted) {
      client.transport->post(endpoint, number_header(posted), payload, posted + 1);
    }
    return back == kFrames;
  }));
  CHECK(wrong == 0);
}

TEST_CASE("a killed peer is a reset, its address then refuses, and a new peer is reached", "[contract][ucx]") {
  PeerProcess peer(kEchoPeer);
  REQUIRE(peer.port() != 0);
  Client client;
  const Address address{"127.0.0.1", peer.port()};
  const std::vector<std::byte> payload = pattern_bytes(1 << 20, 4);
  std::vector<EndpointId> endpoints;
  for (std::uint64_t i = 0; i < 4; ++i) {
    endpoints.push_back(client.transport->connect(address));
    client.transport->post(endpoints.back(), number_header(i), {}, 0);
  }
  REQUIRE(client.run_until([&] { return client.log.frames.size() == endpoints.size(); }));
  std::uint64_t cookie = 0;
  for (int i = 0; i < 20; ++i) {
    for (const EndpointId endpoint : endpoints) client.transport->post(endpoint, number_header(0), payload, ++cookie);
  }
  peer.kill();
  CHECK(client.run_until(
      [&] { return client.log.closed.size() == endpoints.size() && client.log.sent_once(1, cookie); }));
  for (const ClosedEndpoint& closed : client.log.closed) CHECK(closed.reason == CloseReason::Reset);

  const EndpointId dead = client.transport->connect(address);
  client.transport->post(dead, number_header(0), payload, ++cookie);
  REQUIRE(client.run_until([&] { return client.log.find_closed(dead) != nullptr && client.log.sent_once(cookie, 1); }));
  CHECK(client.log.find_closed(dead)->reason == CloseReason::Refused);

  PeerProcess next(kEchoPeer);
  REQUIRE(next.port() != 0);
  client.log.frames.clear();
  const EndpointId alive = client.transport->connect({"127.0.0.1", next.port()});
  client.transport->post(alive, number_header(7), {}, 0);
  CHECK(client.run_until([&] { return !client.log.frames.empty(); }));
}

std::string noise(std::size_t size, Random& random) {
  std::string bytes(size, '\0');
  for (char& one : bytes) one = static_cast<char>(random.next());
  return bytes;
}

/// What strangers say: nothing, other protocols, noise, and what UCX's own reader stumbles over.
std::string stranger_bytes(std::uint64_t kind, Random& random) {
  switch (kind % 10) {
    case 0:
      return "";
    case 1:
      return "GET / HTTP/1.1\r\nHost: longhaul\r\nUser-Agent: scanner\r\n\r\n";
    case 2:
      return std::string(8, '\0');
    case 3:
      return std::string(16, '\0');
    case 4:
      return std::string(40, '\0');
    case 5:
      return std::string(100 * 1024, '\xff');
    case 6:
      return std::string(1, static_cast<char>(100)) + std::string(15, '\0') + noise(100, random);
    case 7:
      return std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11) + noise(506, random);
    case 8:
      return noise(40, random);
    default:
      return noise(100 * 1024, random);
  }
}

TEST_CASE("strangers at UCX's ports do not disturb real traffic", "[contract][ucx]") {
  Bench bench(loopback_pair);
  bench.listen();
  const Bench::Ends ends = bench.connect();
  const std::vector<sockaddr_in> doors = listening_sockets();
  REQUIRE(doors.size() >= 3);  // a listener and two data ports at least
  Random random(20240);
  std::vector<Fd> staying;
  const std::vector<std::byte> payload = pattern_bytes(50000, 8);
  constexpr std::uint64_t kFrames = 300;
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    bench.pair.a->post(ends.at_a, number_header(i), payload, i + 1);
    const sockaddr_in& door = doors[i % doors.size()];
    Fd stranger = plain_connection(door);
    const std::string bytes = stranger_bytes(i / doors.size(), random);
    bench.poll_both();
    (void)::send(stranger.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (i % 3 == 0) staying.push_back(std::move(stranger));
    bench.poll_both();
  }
  REQUIRE(bench.run_until([&] { return bench.at_b.frames.size() >= kFrames && bench.at_a.sent_once(1, kFrames); }));
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    const ReceivedFrame& frame = bench.at_b.frames[i];
    if (header_number(frame.header) != i || frame.endpoint != ends.at_b || !same_bytes(frame.payload(), payload))
      ++wrong;
  }
  CHECK(wrong == 0);
  CHECK(bench.at_a.closed.empty());
  CHECK(bench.at_b.find_closed(ends.at_b) == nullptr);
  CHECK(bench.connect().at_a != ends.at_a);  // the doors still open
}

}  // namespace
