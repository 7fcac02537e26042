// SPDX-License-Identifier: Apache-2.0
// Loopback, the process's own environment, and strings of all kinds.
#include "base/random.h"
#include "config/config.h"
#include "config/environment.h"
#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;
using longhaul::config::test::Directory;
using longhaul::config::test::environment_of;
using longhaul::config::test::Variables;

namespace {

constexpr const char* kSites = "wisconsin=127.0.0.1:47000,atlanta=127.0.0.1:47001";
constexpr const char* kFile = R"(run_id = "from-file"
[wan]
codec = "bf16"
streams = 2
ports = "1-2"
[[site]]
name = "north"
address = "127.0.0.1:1000"
site_address = "127.0.0.1:1001"
ports = "3-4"
[[site]]
name = "south"
address = "127.0.0.1:2000"
bind = "127.0.0.2"
)";

}  // namespace

TEST_CASE("loopback uses file and wan only", "[unit][config]") {
  const Directory directory;
  const std::string path = directory.write("job.toml", kFile);
  CHECK(resolve_loopback(nullptr, environment_of({}))->codec == lhCodecNone);
  CHECK(resolve_loopback(nullptr, environment_of({{"LONGHAUL_CONFIG", path}}))->codec == lhCodecBf16);
  lhConfig_t input = LH_CONFIG_INITIALIZER;
  input.file = path.c_str();
  input.site = "nowhere";
  input.sites = "broken";
  input.siteRank = 9;
  input.siteAddress = "broken";
  input.wan = "codec=i8,emulate_rtt=15ms";
  const auto wan = resolve_loopback(&input, environment_of({{"LONGHAUL_WAN_EMULATE_RATE", "1gbit"},
                                                            {"LONGHAUL_SITE", "x"},
                                                            {"LONGHAUL_SECRET_FILE", "/nonexistent"}}));
  INFO(wan.status().text());
  REQUIRE(wan.ok());
  CHECK(wan->codec == lhCodecI8);
  CHECK(wan->streams == 2);
  CHECK(wan->emulate.rtt_ns == 15 * kMillisecond);
  CHECK(wan->emulate.rate_bits_per_s == 1'000'000'000u);
  CHECK(wan->ports.first == 1);  // no site of its own
  input.wan = "codek=i8";
  CHECK(contains(resolve_loopback(&input, environment_of({})).status().text(), "did you mean 'codec'"));
  input.magic = 0;
  CHECK(resolve_loopback(&input, environment_of({})).status().code() == lhInvalidArgument);
}

TEST_CASE("the process environment", "[unit][config]") {
  const Environment environment = process_environment();
  CHECK(environment("LONGHAUL_TEST_NO_SUCH_VARIABLE") == std::nullopt);
  CHECK(environment("PATH").has_value());
  bool found = false;
  for (const std::string& name : ProcessEnvironment::names()) found = found || name == "PATH";
  CHECK(found);

  REQUIRE(::setenv("LONGHAUL_WAN_CODEK", "i8", 1) == 0);
  const auto wan = resolve_loopback(nullptr, environment);
  ::unsetenv("LONGHAUL_WAN_CODEK");
  REQUIRE_FALSE(wan.ok());
  CHECK(contains(wan.status().text(), "'LONGHAUL_WAN_CODEK': did you mean 'LONGHAUL_WAN_CODEC'?"));
  CHECK_FALSE(resolve_loopback(nullptr, environment).status().text().find("CODEK") != std::string::npos);
  CHECK(variable(environment_of({{"A", ""}}), "A") == std::nullopt);
  CHECK(variable(Environment(), "A") == std::nullopt);
}

TEST_CASE("any strings in the struct give a Status", "[unit][config]") {
  Random random(5);
  constexpr std::string_view kLikely = "abc=,:.127019-_ \n\xff[]";
  const auto word = [&] {
    std::string text;
    for (std::uint64_t n = random.below(30); n > 0; --n) text += kLikely[random.below(kLikely.size())];
    return text;
  };
  for (int i = 0; i < 5000; ++i) {
    lhConfig_t input = LH_CONFIG_INITIALIZER;
    const std::string sites = word(), site = word(), wan = random.chance(0.5) ? word() : "", address = word(),
                      run = word();
    input.sites = sites.c_str();
    input.site = site.c_str();
    input.wan = wan.c_str();
    input.siteAddress = address.c_str();
    input.runId = run.c_str();
    const auto result = resolve(&input, environment_of({}), {});
    if (result.ok()) continue;
    for (char c : result.status().text()) REQUIRE((c >= ' ' && c <= '~'));
  }
}
