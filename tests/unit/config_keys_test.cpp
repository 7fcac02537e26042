// SPDX-License-Identifier: Apache-2.0
// The table of [wan] keys: values, limits, texts, and the wan string.
#include "config/keys.h"

#include <set>
#include <vector>

#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;
using longhaul::config::test::environment_of;

namespace {

Result<Wan> from_string(const std::string& text) {
  Settings settings;
  Status status = read_wan_string(text, "the wan string", &settings);
  if (!status.ok()) return status;
  return make_wan(settings);
}

Wan good(const std::string& text) {
  auto wan = from_string(text);
  INFO(text << " -> " << wan.status().text());
  REQUIRE(wan.ok());
  return *wan;
}

std::string bad(const std::string& text, lhResult_t code = lhInvalidArgument) {
  auto wan = from_string(text);
  INFO(text);
  REQUIRE_FALSE(wan.ok());
  CHECK(wan.status().code() == code);
  return wan.status().text();
}

}  // namespace

TEST_CASE("defaults of the wan keys", "[unit][config]") {
  const Wan wan = good("");
  CHECK(wan.codec == lhCodecNone);
  CHECK(wan.min_compress_bytes == 1u << 20);
  CHECK(wan.streams == 0);
  CHECK(wan.chunk_bytes == 0);
  CHECK(wan.window_bytes == 0);
  CHECK(wan.timeout_ns == 60 * kSecond);
  CHECK(wan.ride_through_ns == 30 * kSecond);
  CHECK(wan.rate_limit_bits_per_s == 0);
  CHECK_FALSE(wan.encryption_off_explicit);
  CHECK((wan.ports.first == 0 && wan.ports.last == 0));
  CHECK((wan.bind.empty() && wan.advertise.empty()));
  CHECK_FALSE(wan.emulate.active());
}

TEST_CASE("every wan key sets its field", "[unit][config]") {
  CHECK(good("codec=i8").codec == lhCodecI8);
  CHECK(good("codec=bf16").codec == lhCodecBf16);
  CHECK(good("codec=none").codec == lhCodecNone);
  CHECK(good("min_compress_bytes=64KiB").min_compress_bytes == 65536);
  CHECK(good("min_compress_bytes=0").min_compress_bytes == 0);
  CHECK(good("streams=16").streams == 16);
  CHECK(good("streams=auto").streams == 0);
  CHECK(good("chunk=1MiB").chunk_bytes == 1u << 20);
  CHECK(good("chunk=auto").chunk_bytes == 0);
  CHECK(good("window=8MiB").window_bytes == 8u << 20);
  CHECK(good("window=auto").window_bytes == 0);
  CHECK(good("timeout=2m").timeout_ns == 120 * kSecond);
  CHECK(good("ride_through=0").ride_through_ns == 0);
  CHECK(good("rate_limit=10Gbit/s").rate_limit_bits_per_s == 10'000'000'000u);
  CHECK(good("rate_limit=none").rate_limit_bits_per_s == 0);
  CHECK(good("encryption=off").encryption_off_explicit);
  CHECK(good("ports=47000-47063").ports.last == 47063);
  CHECK(good("bind=10.0.1.1").bind == "10.0.1.1");
  CHECK(good("bind=0.0.0.0").bind.empty());
  CHECK(good("advertise=gpu1.example.org").advertise == "gpu1.example.org");
  CHECK(good("emulate_rtt=15ms").emulate.rtt_ns == 15 * kMillisecond);
  CHECK(good("emulate_rate=1gbit").emulate.rate_bits_per_s == 1'000'000'000u);
  CHECK(good("emulate_loss=0.001").emulate.loss == 0.001);
}

TEST_CASE("limits of the wan keys", "[unit][config]") {
  CHECK(contains(bad("streams=17"), "streams in the wan string: '17' is not a whole number from 0 to 16"));
  CHECK(contains(bad("streams=-1"), "streams"));
  CHECK(contains(bad("chunk=63KiB"), "outside 64KiB to 16MiB"));
  CHECK(contains(bad("chunk=17MiB"), "outside 64KiB to 16MiB"));
  CHECK(good("chunk=64KiB").chunk_bytes == 65536);
  CHECK(good("chunk=16MiB").chunk_bytes == 16u << 20);
  CHECK(contains(bad("window=255KiB"), "outside 256KiB to 16GiB"));
  CHECK(contains(bad("window=17GiB"), "outside 256KiB to 16GiB"));
  CHECK(contains(bad("window=2MiB,chunk=1MiB"),
                 "window 2097152 is smaller than 4 chunks of 1048576: raise window to 4194304"));
  CHECK(good("chunk=1MiB,window=4MiB").window_bytes == 4u << 20);
  CHECK(contains(bad("timeout=99ms"), "too short: at least 100ms"));
  CHECK(good("timeout=100ms").timeout_ns == 100 * kMillisecond);
  CHECK(contains(bad("timeout=60"), "timeout in the wan string: '60' has no unit: write 60s"));
  CHECK(contains(bad("ride_through=x"), "ride_through in the wan string: 'x' is not a duration"));
  CHECK(contains(bad("rate_limit=5MB/s"), "is not a rate"));
  CHECK(contains(bad("congestion=Reno!"), "auto, system"));
  CHECK(good("idle=spin").idle == Idle::Spin);
  CHECK(good("idle=yield").idle == Idle::Yield);
  CHECK(good("").idle == Idle::Park);
  CHECK(contains(bad("idle=spinn"), "'spinn' is none of park, yield and spin"));
  CHECK(contains(bad("min_compress_bytes=1M"), "ambiguous"));
  CHECK(contains(bad("emulate_rtt=61s"), "at most 60s"));
  CHECK(contains(bad("emulate_rate=1"), "below 1kbit"));
  CHECK(contains(bad("emulate_loss=2"), "not a probability"));
  CHECK(contains(bad("ports=9-1"), "not a port range"));
}

TEST_CASE("codec words", "[unit][config]") {
  CHECK(contains(bad("codec=i9"), "codec in the wan string: unknown codec 'i9': did you mean 'i8'?"));
  CHECK(contains(bad("codec=zstandard"), "unknown codec 'zstandard'; known are: none, bf16, i8, r4, f4, r2, lossless"));
  CHECK(contains(bad("codec="), "unknown codec ''"));
  CHECK(good("codec=r4").codec == lhCodecR4);
  CHECK(good("codec=f4").codec == lhCodecF4);
  CHECK(good("codec=r2").codec == lhCodecR2);
  CHECK(good("codec=lossless").codec == lhCodecLossless);
}

TEST_CASE("encryption words", "[unit][config]") {
  for (const char* name : {"aes-256-gcm", "aes-128-gcm", "chacha20-poly1305"}) {
    const std::string text = bad(std::string("encryption=") + name, lhUnsupported);
    CHECK(contains(text, "is not in this version: write encryption=off"));
  }
  CHECK(contains(bad("encryption=of"), "unknown encryption 'of': did you mean 'off'?"));
  CHECK(contains(bad("encryption=aes-256-gmc"), "did you mean 'aes-256-gcm'?"));
}

TEST_CASE("bind and advertise take hosts", "[unit][config]") {
  CHECK(contains(bad("bind=eth0"), "'eth0' is not an IPv4 address to listen on"));
  CHECK(contains(bad("bind=::1"), "IPv6 is not supported"));
  CHECK(contains(bad("advertise=fe80::1"), "IPv6 literals are not supported with this transport"));
  CHECK(contains(bad("advertise=a:47000"), "must be a host without port (the key 'ports' chooses ports)"));
  CHECK(contains(bad("advertise=a b"), "is not a host name"));
  CHECK(good("bind=,advertise=").bind.empty());
}

TEST_CASE("the wan string", "[unit][config]") {
  const Wan wan = good(" codec = i8 , streams=4,, timeout=5s, ");
  CHECK(wan.codec == lhCodecI8);
  CHECK(wan.streams == 4);
  CHECK(wan.timeout_ns == 5 * kSecond);
  CHECK(contains(bad("codek=i8"), "unknown key 'codek' in the wan string: did you mean 'codec'?"));
  CHECK(contains(bad("speed=9"), "unknown key 'speed' in the wan string; known are: codec, min_compress_bytes"));
  CHECK(contains(bad("wan.codec=i8"), "unknown key 'wan.codec'"));
  CHECK(contains(bad("codec"), "key 'codec' in the wan string has no value: write codec=value"));
  CHECK(contains(bad("codec=i8,codec=none"), "key 'codec' is named twice in the wan string"));
  CHECK(contains(bad("=i8"), "unknown key ''"));
  CHECK(contains(bad(std::string("\x01\xff=1")),
                 "unknown key '?"
                 "?'"));
}

TEST_CASE("every key reads its own text back", "[unit][config]") {
  const Wan wan = good(
      "codec=i8,min_compress_bytes=12345,streams=3,chunk=65537,window=1000001,timeout=1234567us,ride_through=7s,"
      "rate_limit=1234567,congestion=cubic,idle=yield,encryption=off,ports=1-2,bind=10.0.0.1,advertise=h,emulate_rtt=123ns,emulate_rate=999999,"
      "emulate_loss=0.1234567,feedback_memory=777");
  for (const Wan& from : {wan, Wan()}) {
    for (const Key& key : wan_keys()) {
      const std::string text = key.get(from);
      INFO(key.name << " = " << text);
      Wan back;
      REQUIRE(key.set(text, &back).ok());
      CHECK(key.get(back) == text);
      // Different from the default exactly where the source is.
      CHECK((key.get(back) == key.get(Wan())) == (text == key.get(Wan())));
    }
  }
  std::set<std::string_view> changed;
  for (const Key& key : wan_keys())
    if (key.get(wan) != key.get(Wan())) changed.insert(key.name);
  CHECK(changed.size() == wan_keys().size() - 1);  // encryption has one value only
}

TEST_CASE("which keys must be equal at all ranks", "[unit][config]") {
  std::set<std::string_view> equal;
  for (const Key& key : wan_keys())
    if (key.equal_at_all_ranks) equal.insert(key.name);
  CHECK(equal == std::set<std::string_view>{"codec", "min_compress_bytes", "streams", "chunk", "encryption"});
}

TEST_CASE("variables of the wan keys", "[unit][config]") {
  CHECK(variable_of("min_compress_bytes") == "LONGHAUL_WAN_MIN_COMPRESS_BYTES");
  Settings settings;
  read_wan_variables(environment_of({{"LONGHAUL_WAN_CHUNK", "2MiB"}, {"LONGHAUL_WAN_CODEC", ""}}), &settings);
  REQUIRE(settings.size() == 1);  // empty is not set
  CHECK(settings.at("chunk").value == "2MiB");
  CHECK(settings.at("chunk").origin == "$LONGHAUL_WAN_CHUNK");

  settings.at("chunk").value = "1";
  CHECK(contains(make_wan(settings).status().text(), "chunk in $LONGHAUL_WAN_CHUNK: '1' is outside"));
}

TEST_CASE("unknown wan variables", "[unit][config]") {
  const auto check = [](std::vector<std::string> names) { return check_wan_variable_names(names); };
  CHECK(check({}).ok());
  CHECK(check({"PATH", "LONGHAUL_WAN", "LONGHAUL_LOG", "LONGHAUL_WAN_CODEC", "LONGHAUL_WAN_EMULATE_RTT"}).ok());
  const Status status = check({"HOME", "LONGHAUL_WAN_CODEK"});
  CHECK(status.code() == lhInvalidArgument);
  CHECK(
      contains(status.text(), "unknown environment variable 'LONGHAUL_WAN_CODEK': did you mean 'LONGHAUL_WAN_CODEC'?"));
  CHECK_FALSE(check({"LONGHAUL_WAN_"}).ok());
  CHECK_FALSE(check({"LONGHAUL_WAN_codec"}).ok());
}
