// SPDX-License-Identifier: Apache-2.0
// Values with units, host names, port ranges, and "did you mean".
#include "config/units.h"

#include <array>
#include <utility>

#include "base/random.h"
#include "config/suggest.h"
#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;

namespace {
// The text of the error, or "ok" which no check below looks for.
template <typename T>
std::string failure(const Result<T>& result) {
  if (result.ok()) return "ok";
  CHECK(result.status().code() == lhInvalidArgument);
  return result.status().text();
}
std::string failure(const Status& status) { return status.ok() ? "ok" : status.text(); }
}  // namespace

TEST_CASE("durations need a unit", "[unit][config]") {
  const std::array<std::pair<const char*, TimeNs>, 11> good{{{"15ms", 15 * kMillisecond},
                                                             {"60s", 60 * kSecond},
                                                             {"2m", 120 * kSecond},
                                                             {"1h", 3600 * kSecond},
                                                             {"500us", 500 * kMicrosecond},
                                                             {"100ns", 100},
                                                             {"1.5s", 1500 * kMillisecond},
                                                             {".5ms", 500 * kMicrosecond},
                                                             {" 15 ms ", 15 * kMillisecond},
                                                             {"0", 0},
                                                             {"720h", 720 * 3600 * kSecond}}};
  for (const auto& [text, value] : good) {
    INFO(text);
    const auto parsed = parse_duration(text);
    REQUIRE(parsed.ok());
    CHECK(*parsed == value);
  }
  CHECK(contains(failure(parse_duration("60")), "'60' has no unit: write 60s"));
  CHECK(contains(failure(parse_duration("1.5")), "write 1.5s"));
  CHECK(contains(failure(parse_duration("721h")), "too long"));
  CHECK(contains(failure(parse_duration("1e300s")), "too long"));
  for (const char* bad :
       {"", " ", "s", "-1s", "+1s", "15 parsecs", "15MS", "nan", "inf", "infs", "0x10s", "1e999s", "1s2ms"}) {
    INFO(bad);
    CHECK(contains(failure(parse_duration(bad)), "is not a duration"));
  }
}

TEST_CASE("bytes", "[unit][config]") {
  const std::array<std::pair<const char*, std::uint64_t>, 12> good{{{"4096", 4096},
                                                                    {"64KiB", 65536},
                                                                    {"1MiB", 1 << 20},
                                                                    {"1mib", 1 << 20},
                                                                    {"1GB", 1'000'000'000},
                                                                    {"1kB", 1000},
                                                                    {"2GiB", 2147483648u},
                                                                    {"1TiB", 1ull << 40},
                                                                    {"1.5 MiB", 1572864},
                                                                    {"12B", 12},
                                                                    {"1e6", 1'000'000},
                                                                    {"0", 0}}};
  for (const auto& [text, value] : good) {
    INFO(text);
    const auto parsed = parse_bytes(text);
    REQUIRE(parsed.ok());
    CHECK(*parsed == value);
  }
  for (const char* text : {"1M", "64k", "1G", "1T"})
    CHECK(contains(failure(parse_bytes(text)), "is ambiguous: write KiB"));
  CHECK(contains(failure(parse_bytes("1e30")), "too large"));
  CHECK(contains(failure(parse_bytes("99999999TiB")), "too large"));
  for (const char* bad : {"", "KiB", "-1", "1 KiBB", "nan", "1e", "0x10"}) {
    CHECK(contains(failure(parse_bytes(bad)), "is not a number of bytes"));
  }
}

TEST_CASE("rates are bits a second", "[unit][config]") {
  const std::array<std::pair<const char*, std::uint64_t>, 10> good{{{"1gbit", 1'000'000'000},
                                                                    {"100mbit", 100'000'000},
                                                                    {"10Gbit/s", 10'000'000'000},
                                                                    {"10Gb/s", 10'000'000'000},
                                                                    {"2.5gbit", 2'500'000'000},
                                                                    {"64kbit", 64'000},
                                                                    {"1tbit", 1'000'000'000'000},
                                                                    {"1e9", 1'000'000'000},
                                                                    {"1000000 bit/s", 1'000'000},
                                                                    {"0", 0}}};
  for (const auto& [text, value] : good) {
    INFO(text);
    const auto parsed = parse_rate(text);
    REQUIRE(parsed.ok());
    CHECK(*parsed == value);
  }
  for (const char* bad : {"", "1GB/s", "1GB", "100MBps", "1gb", "gbit", "-1gbit", "1gbit/h", "5/s", "1 furlong"}) {
    INFO(bad);
    CHECK(contains(failure(parse_rate(bad)), "is not a rate: write bits a second"));
  }
  CHECK(contains(failure(parse_rate("1")), "below 1kbit a second: write the unit"));
  CHECK(contains(failure(parse_rate("1001tbit")), "too fast"));
}

TEST_CASE("probabilities and whole numbers", "[unit][config]") {
  CHECK(*parse_probability("0") == 0);
  CHECK(*parse_probability("1") == 1);
  CHECK(*parse_probability("0.001") == 0.001);
  CHECK(*parse_probability("1e-3") == 0.001);
  for (const char* bad : {"", "1.1", "-0.1", "0.1%", "nan", "often"}) {
    CHECK(contains(failure(parse_probability(bad)), "is not a probability"));
  }
  CHECK(*parse_int(" 7 ", 0, 16) == 7);
  CHECK(*parse_int("-1", -1, 16) == -1);
  for (const char* bad : {"", "17", "-1", "1.5", "four", "4x", "99999999999999"}) {
    CHECK(contains(failure(parse_int(bad, 0, 16)), "is not a whole number from 0 to 16"));
  }
}

TEST_CASE("port ranges", "[unit][config]") {
  CHECK(parse_ports("47000-47063")->first == 47000);
  CHECK(parse_ports("47000-47063")->last == 47063);
  CHECK(parse_ports(" 47000 - 47063 ")->last == 47063);
  CHECK(parse_ports("47000")->first == 47000);
  CHECK(parse_ports("47000")->last == 47000);
  CHECK(parse_ports("0")->last == 0);
  for (const char* bad : {"", "-", "2-1", "0-5", "1-65536", "70000", "1-", "-1", "1-2-3", "http"}) {
    INFO(bad);
    CHECK(contains(failure(parse_ports(bad)), "is not a port range"));
  }
}

TEST_CASE("host:port", "[unit][config]") {
  CHECK(parse_host_port("10.0.1.1:47000")->host == "10.0.1.1");
  CHECK(parse_host_port("10.0.1.1:47000")->port == 47000);
  CHECK(parse_host_port(" node-1.site_a.example.org:1 ")->text() == "node-1.site_a.example.org:1");
  CHECK(contains(failure(parse_host_port("10.0.1.1")), "has no port: write host:port"));
  for (const char* bad : {"a:", "a:0", "a:65536", "a:-1", "a:x", "a:1x"}) {
    CHECK(contains(failure(parse_host_port(bad)), "has no port from 1 to 65535"));
  }
  for (const char* bad : {"[::1]:47000", "::1", "fe80::1:47000", "[fe80::1]"}) {
    INFO(bad);
    CHECK(contains(failure(parse_host_port(bad)), "IPv6 literals are not supported with this transport"));
  }
  for (const char* bad :
       {":1", "a b:1", "10.0.0:1", "10.0.0.256:1", "1.2.3.4.5:1", "010.0.0.1:1", "-a:1", ".a:1", "a/b:1"}) {
    INFO(bad);
    CHECK(contains(failure(parse_host_port(bad)), "is not a host name or an IPv4 address"));
  }
  CHECK(contains(failure(parse_host_port("0.0.0.0:1")), "not an address others can dial"));
  CHECK(contains(failure(check_host(std::string(254, 'a'))), "is not a host name"));
  CHECK(check_host("localhost").ok());
  CHECK(is_ipv4("255.255.255.255"));
  for (const char* bad : {"", "1.2.3", "1..2.3", "1.2.3.4.", "a.b.c.d", "1.2.3.+4", "1.2.3.1000"})
    CHECK_FALSE(is_ipv4(bad));
}

TEST_CASE("texts of values are read back as the same value", "[unit][config]") {
  CHECK(duration_text(60 * kSecond) == "1m");
  CHECK(duration_text(15 * kMillisecond) == "15ms");
  CHECK(duration_text(0) == "0");
  CHECK(rate_text(1'000'000'000) == "1gbit");
  CHECK(rate_text(1'500'000'000) == "1500mbit");
  CHECK(ports_text({1, 2}) == "1-2");
  CHECK(ports_text({7, 7}) == "7");
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const auto value = static_cast<TimeNs>(random.next() % (1ull << (1 + random.below(50))));
    INFO(value);
    REQUIRE(*parse_duration(duration_text(value)) == value);
    const std::uint64_t rate = 1000 + static_cast<std::uint64_t>(value) / 2;
    REQUIRE(*parse_rate(rate_text(rate)) == rate);
  }
}

TEST_CASE("parsers are total over any bytes", "[unit][config]") {
  Random random(2);
  constexpr std::string_view kLikely = "0123456789.eE+-KMGibB/s: []nau\0\xff";
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::uint64_t n = random.below(12); n > 0; --n) text += kLikely[random.below(kLikely.size())];
    for (const Status& status :
         {parse_duration(text).status(), parse_bytes(text).status(), parse_rate(text).status(),
          parse_probability(text).status(), parse_ports(text).status(), parse_host_port(text).status()}) {
      REQUIRE((status.ok() || (status.code() == lhInvalidArgument && !status.text().empty())));
    }
  }
}

TEST_CASE("quoted texts are short and printable", "[unit][config]") {
  CHECK(in_quotes("abc") == "'abc'");
  CHECK(in_quotes(std::string_view("a\n\x01\xff\0b", 6)) == "'a????b'");
  CHECK(in_quotes(std::string(1000, 'x')).size() < 100);
  CHECK(printable("abc", 2) == "ab...");
}

TEST_CASE("did you mean", "[unit][config]") {
  CHECK(edit_distance("", "abc") == 3);
  CHECK(edit_distance("kitten", "sitting") == 3);
  CHECK(edit_distance("codec", "cdoec") == 1);
  CHECK(edit_distance("same", "same") == 0);
  constexpr std::array<std::string_view, 3> kWords{"codec", "streams", "chunk"};
  CHECK(closest("codek", kWords) == "codec");
  CHECK(closest("stream", kWords) == "streams");
  CHECK(closest("cunk", kWords) == "chunk");
  CHECK(closest("banana", kWords).empty());
  CHECK(closest("", kWords).empty());
  CHECK(closest(std::string(100000, 'c'), kWords).empty());
  constexpr std::array<std::string_view, 1> kLetter{"a"};
  CHECK(closest("z", kLetter).empty());
  CHECK(did_you_mean("codek", kWords) == ": did you mean 'codec'?");
  CHECK(did_you_mean("banana", kWords) == "; known are: codec, streams, chunk");
}
