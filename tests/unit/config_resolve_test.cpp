// SPDX-License-Identifier: Apache-2.0
// The layers together: environment over struct over file over defaults.
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

Config good(const lhConfig_t* config, const Variables& variables, const Given& given = {}) {
  auto result = resolve(config, environment_of(variables), given);
  INFO(result.status().text());
  REQUIRE(result.ok());
  return *result;
}

std::string bad(const lhConfig_t* config, const Variables& variables, lhResult_t code = lhInvalidArgument) {
  auto result = resolve(config, environment_of(variables), {});
  REQUIRE_FALSE(result.ok());
  INFO(result.status().text());
  CHECK(result.status().code() == code);
  return result.status().text();
}

lhConfig_t two_sites() {
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.site = "wisconsin";
  config.sites = kSites;
  return config;
}

}  // namespace

TEST_CASE("everything from the struct", "[unit][config]") {
  lhConfig_t input = two_sites();
  input.runId = "run";
  input.site = "atlanta";
  input.siteRank = 1;
  input.siteSize = 2;
  input.siteAddress = "127.0.0.1:5";
  input.wan = "codec=i8,timeout=5s";
  input.blocking = 0;
  const Config config = good(&input, {});
  CHECK(config.run_id == "run");
  CHECK(config.secret.empty());
  REQUIRE(config.sites.size() == 2);
  CHECK(config.sites[1].name == "atlanta");
  CHECK(config.sites[1].address.text() == "127.0.0.1:47001");
  CHECK(config.site == 1);
  CHECK(config.site_rank == 1);
  CHECK(config.site_size == 2);
  CHECK(config.site_address->text() == "127.0.0.1:5");
  CHECK(config.wan.codec == lhCodecI8);
  CHECK(config.wan.timeout_ns == 5 * kSecond);
  CHECK(config.device == -1);
  CHECK_FALSE(config.blocking);
}

TEST_CASE("everything from the environment, no struct", "[unit][config]") {
  const Directory directory;
  const Config config = good(nullptr, {{"LONGHAUL_SITES", kSites},
                                       {"LONGHAUL_SITE", "atlanta"},
                                       {"LONGHAUL_RUN_ID", "run"},
                                       {"LONGHAUL_SITE_RANK", "0"},
                                       {"LONGHAUL_SITE_SIZE", "2"},
                                       {"LONGHAUL_SITE_ADDRESS", "127.0.0.1:6"},
                                       {"LONGHAUL_WAN", "streams=3"},
                                       {"LONGHAUL_WAN_CHUNK", "2MiB"},
                                       {"LONGHAUL_SECRET_FILE", directory.write("s", "0123456789abcdef\n")}});
  CHECK(config.run_id == "run");
  CHECK(config.site == 1);
  CHECK(config.site_size == 2);
  CHECK(config.site_address->port == 6);
  CHECK(config.wan.streams == 3);
  CHECK(config.wan.chunk_bytes == 2u << 20);
  CHECK(config.secret.size() == 16);
  CHECK(config.blocking);
}

TEST_CASE("everything from the file", "[unit][config]") {
  const Directory directory;
  directory.write("job.secret", "0123456789abcdef0\n");
  const std::string path = directory.write("job.toml", "secret_file = 'job.secret'\n" + std::string(kFile));
  lhConfig_t input = LH_CONFIG_INITIALIZER;
  input.file = path.c_str();
  const Config north = good(&input, {{"LONGHAUL_SITE", "north"}, {"RANK", "1"}, {"WORLD_SIZE", "2"}});
  CHECK(north.run_id == "from-file");
  CHECK(north.secret.size() == 17);
  CHECK(north.site == 0);
  CHECK(north.site_rank == 1);
  CHECK(north.site_address->port == 1001);
  CHECK(north.wan.codec == lhCodecBf16);
  CHECK(north.wan.ports.first == 3);  // [[site]] over [wan]
  CHECK(north.wan.bind.empty());      // another site's

  input.file = nullptr;
  const Config south = good(&input, {{"LONGHAUL_CONFIG", path},
                                     {"LONGHAUL_SITE", "south"},
                                     {"LONGHAUL_SITE_RANK", "0"},
                                     {"LONGHAUL_SITE_SIZE", "3"}});
  CHECK(south.site == 1);
  CHECK(south.site_address->text() == "127.0.0.1:2000");  // the site's own address
  CHECK(south.wan.ports.first == 1);
  CHECK(south.wan.bind == "127.0.0.2");
  CHECK(shared_text(north) == shared_text(south));
}

TEST_CASE("precedence of everything that is not in [wan]", "[unit][config]") {
  const Directory directory;
  const std::string path = directory.write("job.toml", kFile);
  lhConfig_t input = LH_CONFIG_INITIALIZER;
  input.file = path.c_str();
  input.site = "north";

  SECTION("run id") {
    CHECK(good(&input, {}).run_id == "from-file");
    input.runId = "from-struct";
    CHECK(good(&input, {}).run_id == "from-struct");
    CHECK(good(&input, {{"LONGHAUL_RUN_ID", "from-environment"}}).run_id == "from-environment");
    CHECK(good(&input, {{"LONGHAUL_RUN_ID", ""}}).run_id == "from-struct");
    const lhConfig_t plain = two_sites();
    CHECK(good(&plain, {}).run_id == "longhaul");
  }
  SECTION("site") {
    CHECK(good(&input, {}).site == 0);
    CHECK(good(&input, {{"LONGHAUL_SITE", "south"}}).site == 1);
  }
  SECTION("sites") {
    CHECK(good(&input, {}).sites[0].address.port == 1000);
    input.sites = "south=127.0.0.1:7,north=127.0.0.1:8";
    CHECK(good(&input, {}).sites[1].address.port == 8);
    CHECK(good(&input, {}).wan.ports.first == 3);  // what the file says about this site still counts
    CHECK(good(&input, {{"LONGHAUL_SITES", "north=127.0.0.1:9"}}).sites.size() == 1);
  }
  SECTION("site address") {
    input.siteSize = 2;
    input.siteRank = 0;
    CHECK(good(&input, {}).site_address->port == 1001);
    input.siteAddress = "127.0.0.1:11";
    CHECK(good(&input, {}).site_address->port == 11);
    CHECK(good(&input, {{"LONGHAUL_SITE_ADDRESS", "127.0.0.1:12"}}).site_address->port == 12);
  }
  SECTION("site rank and size") {
    input.siteRank = 1;
    input.siteSize = 2;
    const Variables launcher{{"OMPI_COMM_WORLD_RANK", "4"}, {"OMPI_COMM_WORLD_SIZE", "5"}};
    CHECK(good(&input, launcher).site_rank == 1);
    CHECK(good(&input, {{"LONGHAUL_SITE_RANK", "0"}}).site_rank == 0);
    CHECK(good(&input, {{"LONGHAUL_SITE_SIZE", "7"}}).site_size == 7);
    input.siteRank = input.siteSize = -1;
    CHECK(good(&input, launcher).site_rank == 4);
  }
  SECTION("file") {
    const std::string other =
        directory.write("other.toml", "run_id = 'other'\n[[site]]\nname='north'\naddress='127.0.0.1:1'\n");
    CHECK(good(&input, {{"LONGHAUL_CONFIG", other}}).run_id == "other");
  }
  SECTION("secret file") {
    const std::string with = directory.write(
        "with.toml", "secret_file = '" + directory.write("a", std::string(20, 'a')) + "'\n" + std::string(kFile));
    input.file = with.c_str();
    CHECK(good(&input, {}).secret.size() == 20);
    CHECK(good(&input, {{"LONGHAUL_SECRET_FILE", directory.write("b", std::string(30, 'b'))}}).secret.size() == 30);
  }
}

TEST_CASE("precedence of the wan keys, key by key", "[unit][config]") {
  const Directory directory;
  const std::string path = directory.write("job.toml", kFile);
  lhConfig_t input = LH_CONFIG_INITIALIZER;
  input.file = path.c_str();
  input.site = "north";
  CHECK(good(&input, {}).wan.streams == 2);
  input.wan = "streams=3";
  CHECK(good(&input, {}).wan.streams == 3);
  CHECK(good(&input, {}).wan.codec == lhCodecBf16);  // other keys of the file stay
  CHECK(good(&input, {{"LONGHAUL_WAN", "streams=4"}}).wan.streams == 4);
  CHECK(good(&input, {{"LONGHAUL_WAN", "codec=i8"}}).wan.streams == 3);
  CHECK(good(&input, {{"LONGHAUL_WAN", "streams=4"}, {"LONGHAUL_WAN_STREAMS", "5"}}).wan.streams == 5);
  CHECK(good(&input, {{"LONGHAUL_WAN_STREAMS", "5"}}).wan.streams == 5);
  CHECK(good(&input, {{"LONGHAUL_WAN_PORTS", "9"}}).wan.ports.first == 9);  // over [[site]] too
  // A value that is overridden does not matter; a key that does not exist does.
  input.wan = "streams=99";
  CHECK(good(&input, {{"LONGHAUL_WAN_STREAMS", "5"}}).wan.streams == 5);
  input.wan = "steams=9";
  CHECK(contains(bad(&input, {{"LONGHAUL_WAN_STREAMS", "5"}}),
                 "unknown key 'steams' in the wan string: did you mean 'streams'?"));
  input.wan = nullptr;
  CHECK(contains(bad(&input, {{"LONGHAUL_WAN", "steams=9"}}), "unknown key 'steams' in $LONGHAUL_WAN: did you mean"));
  CHECK(contains(bad(&input, {{"LONGHAUL_WAN_STREAMS", "x"}}), "streams in $LONGHAUL_WAN_STREAMS: 'x'"));
  // Limits between keys are checked after the merge.
  input.wan = "chunk=4MiB";
  CHECK(contains(bad(&input, {{"LONGHAUL_WAN_WINDOW", "4MiB"}}), "smaller than 4 chunks"));
}

TEST_CASE("values of the file are reported with their line", "[unit][config]") {
  const Directory directory;
  lhConfig_t input = two_sites();
  const std::string path = directory.write("job.toml", "[wan]\n\ntimeout = 60\n");
  input.file = path.c_str();
  CHECK(contains(bad(&input, {}), "timeout in " + path + ":3: '60' has no unit: write 60s"));
  const std::string encrypted = directory.write("e.toml", "wan.encryption = 'aes-256-gcm'\n");
  input.file = encrypted.c_str();
  CHECK(contains(bad(&input, {}, lhUnsupported), "encryption in " + encrypted + ":1"));
  CHECK(good(&input, {{"LONGHAUL_WAN_ENCRYPTION", "off"}}).wan.encryption_off_explicit);
}

TEST_CASE("the list of sites", "[unit][config]") {
  CHECK(contains(bad(nullptr, {}), "no sites: set $LONGHAUL_SITES or lhConfig_t.sites"));
  lhConfig_t input = LH_CONFIG_INITIALIZER;
  input.sites = "only=127.0.0.1:1";
  CHECK(good(&input, {}).site == 0);
  const auto refused = [&](const std::string& sites, const char* text) {
    input.sites = sites.c_str();
    const std::string got = bad(&input, {});
    INFO(got);
    CHECK(contains(got, text));
    CHECK(contains(got, "lhConfig_t.sites"));
  };
  refused("a", "site 'a' in lhConfig_t.sites has no address: write name=host:port");
  refused("a=b", "site 'a' in lhConfig_t.sites: 'b' has no port");
  refused("a=[::1]:1", "IPv6 literals are not supported with this transport");
  refused("a=127.0.0.1:1,a=127.0.0.1:2", "site 'a' is named twice");
  refused("a=127.0.0.1:1,b=127.0.0.1:1", "sites 'a' and 'b' have the same address 127.0.0.1:1");
  refused("a b=127.0.0.1:1", "site name 'a b' must be");
  refused(std::string(64, 'n') + "=127.0.0.1:1", "must be 1 to 63 letters");
  refused("=127.0.0.1:1", "site name ''");
  refused(" , ,", "no sites");
  std::string nine;
  for (int i = 1; i <= 9; ++i) nine += fmt::format("s{}=127.0.0.1:{},", i, i);
  refused(nine, "more than 8 sites");
  const std::string eight = nine.substr(0, nine.find("s9"));
  input.sites = eight.c_str();
  input.site = "s8";
  CHECK(good(&input, {}).site == 7);
}

TEST_CASE("the list of sites in the file", "[unit][config]") {
  const Directory directory;
  const auto refused = [&](const std::string& content) {
    return bad(nullptr, {{"LONGHAUL_CONFIG", directory.write("f.toml", content)}});
  };
  CHECK(contains(refused("run_id = 'x'"), "no sites"));
  CHECK(contains(refused("[[site]]\nname = 'a'"), "f.toml:1: site 'a' has no address: write address ="));
  CHECK(contains(refused("[[site]]\nname = 'a'\naddress = 'b'"), "f.toml:3: 'b' has no port"));
  CHECK(contains(refused("[[site]]\nname='a'\naddress='h:1'\n[[site]]\nname='a'\naddress='h:2'"),
                 "site 'a' is named twice"));
  std::string nine;
  for (int i = 1; i <= 9; ++i) nine += fmt::format("[[site]]\nname='s{0}'\naddress='127.0.0.1:{0}'\n", i);
  CHECK(contains(refused(nine), "9 sites, at most 8"));
  CHECK(contains(bad(nullptr, {{"LONGHAUL_CONFIG", directory.path() + "/none"}}), "configuration file: cannot read"));
}

TEST_CASE("this rank's site", "[unit][config]") {
  lhConfig_t input = two_sites();
  input.site = nullptr;
  CHECK(contains(bad(&input, {}), "set $LONGHAUL_SITE or lhConfig_t.site to one of wisconsin, atlanta"));
  CHECK(contains(bad(&input, {{"LONGHAUL_SITE", "atalnta"}}),
                 "$LONGHAUL_SITE 'atalnta' is none of the sites: did you mean 'atlanta'?"));
  input.site = "paris";
  CHECK(contains(bad(&input, {}), "lhConfig_t.site 'paris' is none of the sites; known are: wisconsin, atlanta"));
}

TEST_CASE("when a site address is needed", "[unit][config]") {
  lhConfig_t input = two_sites();
  CHECK_FALSE(good(&input, {}).site_address);  // one rank
  input.siteAddress = "127.0.0.1:3";
  CHECK_FALSE(good(&input, {}).site_address);
  input.siteAddress = nullptr;
  input.siteRank = 0;
  input.siteSize = 2;
  CHECK(good(&input, {}).site_address->text() == "127.0.0.1:47000");
  const Given exchange{.site_rank = {}, .site_size = {}, .in_site_exchange = true};
  CHECK_FALSE(good(&input, {}, exchange).site_address);
  const lhOob_t oob{nullptr, [](void*, const void*, void*, size_t) { return 0; }};
  input.oob = &oob;
  CHECK_FALSE(good(&input, {}).site_address);
  input.oob = nullptr;
  input.siteAddress = "nonsense";
  CHECK(contains(bad(&input, {}), "site address in lhConfig_t.siteAddress: 'nonsense' has no port"));
}

TEST_CASE("a communicator's rank and size", "[unit][config]") {
  const lhConfig_t input = two_sites();
  const Given given{.site_rank = 1, .site_size = 2, .in_site_exchange = true};
  const Config config = good(&input, {{"OMPI_COMM_WORLD_RANK", "9"}, {"OMPI_COMM_WORLD_SIZE", "10"}}, given);
  CHECK(config.site_rank == 1);
  CHECK(config.site_size == 2);
}

TEST_CASE("run ids", "[unit][config]") {
  lhConfig_t input = two_sites();
  const std::string longest(128, 'r');
  input.runId = longest.c_str();
  CHECK(good(&input, {}).run_id == longest);
  const std::string longer(129, 'r');
  input.runId = longer.c_str();
  CHECK(contains(bad(&input, {}), "must be 1 to 128 printable characters"));
  input.runId = "a\nwan.codec = i8";
  CHECK(contains(bad(&input, {}), "lhConfig_t.runId must be"));
}

TEST_CASE("no secret beyond this machine", "[unit][config]") {
  lhConfig_t input = two_sites();
  input.sites = "wisconsin=10.0.1.1:47000,atlanta=10.0.2.1:47000";
  CHECK(contains(bad(&input, {}), "there is no job secret"));
  CHECK(good(&input, {{"LONGHAUL_WAN_ENCRYPTION", "off"}}).secret.empty());
  input.wan = "encryption=off";
  CHECK(good(&input, {}).wan.encryption_off_explicit);
  input.wan = nullptr;
  const Directory directory;
  CHECK(good(&input, {{"LONGHAUL_SECRET_FILE", directory.write("s", std::string(16, 's'))}}).secret.size() == 16);
  CHECK(
      contains(bad(&input, {{"LONGHAUL_SECRET_FILE", "/nonexistent/s"}}), "secret_file: cannot read '/nonexistent/s'"));
  // A secret that was named must be sound even where none is needed.
  const lhConfig_t local = two_sites();
  CHECK(contains(bad(&local, {{"LONGHAUL_SECRET_FILE", directory.write("t", "short")}}), "holds a secret of 5 bytes"));
}

TEST_CASE("struct errors come first", "[unit][config]") {
  lhConfig_t input = two_sites();
  input.magic = 1;
  CHECK(contains(bad(&input, {}), "start from LH_CONFIG_INITIALIZER"));
  input = two_sites();
  input.device = -2;
  CHECK(contains(bad(&input, {}), "device -2"));
}
