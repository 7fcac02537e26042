// SPDX-License-Identifier: Apache-2.0
// The transport contract over real UCX, two transports of one process on the loopback interface.
#include <poll.h>

#include <memory>

#include "contract/transport_suite.h"
#include "support/catch.h"
#include "transport/ucx/ucx_transport.h"

namespace {

using namespace longhaul;
using namespace longhaul::testing;

std::unique_ptr<Transport> loopback_transport() {
  transport::UcxOptions options;
  options.bind_host = "127.0.0.1";
  Result<std::unique_ptr<Transport>> made = transport::make_ucx_transport(options);
  INFO(made.status().text());
  REQUIRE(made.ok());
  return std::move(*made);
}

/// Sleeps until one of the two has something to do, at most a millisecond.
TimeNs wait_for_either(Transport& a, Transport& b) {
  if (a.arm() && b.arm()) {
    std::vector<pollfd> fds;
    a.append_wait_fds(fds);
    b.append_wait_fds(fds);
    (void)::poll(fds.data(), fds.size(), 1);
  }
  return steady_now();
}

TransportPair loopback_pair() {
  TransportPair pair;
  pair.a = loopback_transport();
  pair.b = loopback_transport();
  pair.step = [a = pair.a.get(), b = pair.b.get()] { return wait_for_either(*a, *b); };
  pair.dead_address = [] {
    Result<Address> gone = loopback_transport()->listen();  // its transport ends here
    REQUIRE(gone.ok());
    return *gone;
  };
  return pair;
}

TEST_CASE("the UCX transport keeps the transport contract", "[contract][ucx]") { run_transport_suite(loopback_pair); }

TEST_CASE("a thousand 1 MiB frames cross UCX both ways unharmed", "[contract][ucx]") {
  check_bulk_both_ways(loopback_pair, 1000, 1 << 20, 8);
}

}  // namespace
