// SPDX-License-Identifier: Apache-2.0
// The text ranks compare at bring-up.
#include <algorithm>

#include "base/random.h"
#include "config/config.h"
#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;

namespace {
Config example() {
  Config config;
  config.run_id = "llama";
  config.sites = {{"wisconsin", {"10.0.1.1", 47000}}, {"atlanta", {"10.0.2.1", 47000}}};
  return config;
}
}  // namespace

TEST_CASE("the shared text", "[unit][config]") {
  Config config = example();
  config.wan.chunk_bytes = 1 << 20;
  CHECK(
      shared_text(config) ==
      "run_id = llama\nsites = 2\nsite[0].name = wisconsin\nsite[0].address = 10.0.1.1:47000\nsite[1].name = atlanta\n"
      "site[1].address = 10.0.2.1:47000\nwan.codec = none\nwan.min_compress_bytes = 1048576\nwan.streams = auto\n"
      "wan.chunk = 1048576\nwan.encryption = off\n");
}

TEST_CASE("what each rank may have of its own is not in the shared text", "[unit][config]") {
  Config config = example();
  const std::string before = shared_text(config);
  config.secret = std::vector<std::byte>(32, std::byte{'S'});
  config.site = 1;
  config.site_rank = 3;
  config.site_size = 4;
  config.site_address = HostPort{"10.9.9.9", 9};
  config.blocking = false;
  config.wan.window_bytes = 1 << 30;
  config.wan.timeout_ns = kSecond;
  config.wan.ride_through_ns = kSecond;
  config.wan.rate_limit_bits_per_s = 1'000'000;
  config.wan.encryption_off_explicit = true;
  config.wan.ports = {1, 2};
  config.wan.bind = "10.0.0.1";
  config.wan.advertise = "h";
  config.wan.emulate = {kMillisecond, 1'000'000, 0.5};
  CHECK(shared_text(config) == before);
  CHECK_FALSE(contains(shared_text(config), "SSSS"));
}

TEST_CASE("differences are named with both values", "[unit][config]") {
  const Config mine = example();
  const std::string here = shared_text(mine);
  const auto with = [&](auto change) {
    Config theirs = example();
    change(theirs);
    return difference(here, shared_text(theirs), "atlanta");
  };
  CHECK(difference(here, here, "atlanta").empty());
  CHECK(with([](Config& c) { c.run_id = "x"; }) == "run_id: llama here, x at atlanta");
  CHECK(with([](Config& c) { c.sites[1].name = "x"; }) == "site[1].name: atlanta here, x at atlanta");
  CHECK(with([](Config& c) { c.sites[1].address.port = 1; }) ==
        "site[1].address: 10.0.2.1:47000 here, 10.0.2.1:1 at atlanta");
  CHECK(with([](Config& c) { c.wan.chunk_bytes = 4194304; }) == "wan.chunk: auto here, 4194304 at atlanta");
  CHECK(with([](Config& c) { c.wan.streams = 4; }) == "wan.streams: auto here, 4 at atlanta");
  CHECK(with([](Config& c) { c.wan.codec = lhCodecI8; }) == "wan.codec: none here, i8 at atlanta");
  CHECK(with([](Config& c) { c.wan.min_compress_bytes = 1; }) == "wan.min_compress_bytes: 1048576 here, 1 at atlanta");
  const std::string fewer = with([](Config& c) { c.sites.pop_back(); });
  CHECK(contains(fewer, "sites: 2 here, 1 at atlanta"));
  CHECK(contains(fewer, "site[1].name: atlanta here, absent at atlanta"));
  CHECK(std::count(fewer.begin(), fewer.end(), '\n') == 2);
}

TEST_CASE("a key only the other side has is a difference", "[unit][config]") {
  CHECK(difference("a = 1\n", "a = 1\nnew = 2\n", "x") == "new: absent here, 2 at x");
  CHECK(difference("a = 1\n", "", "x") == "a: 1 here, absent at x");
  CHECK(difference("a = 1 = 2\n", "a = 1 = 3\n", "x") == "a: 1 = 2 here, 1 = 3 at x");
}

TEST_CASE("any bytes can be compared", "[unit][config]") {
  const std::string here = shared_text(example());
  CHECK(difference(here, std::string("wan.codec = \x01\xff\x1b[2J\n"), "x").find('\x1b') == std::string::npos);
  CHECK(difference(here, std::string(10'000'000, 'x'), "x").size() < 4000);
  Random random(4);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += std::to_string(random.next()) + " = " + std::string(300, 'v') + "\n";
  const std::string text = difference(here, many, std::string(5000, 'n'));
  CHECK(text.size() < 5000);
  CHECK(contains(text, " more"));
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random.below(300), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(256));
    for (char c : difference(here, bytes, bytes)) REQUIRE(((c >= ' ' && c <= '~') || c == '\n'));
  }
}
