// SPDX-License-Identifier: Apache-2.0
// The TOML file: what is read, and that every mistake is reported with file:line.
#include "config/toml_file.h"

#include "base/random.h"
#include "config/read_file.h"
#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;
using longhaul::config::test::Directory;

namespace {

constexpr const char* kTwoSites = R"(run_id = "llama-7"
secret_file = "job.secret"

[wan]
codec = "i8"
chunk = 1048576
timeout = "20s"
emulate_loss = 0.001
emulate_rate = 1e9

[[site]]
name = "wisconsin"
address = "10.0.1.1:47000"
site_address = "192.168.0.1:47100"
bind = "10.0.1.1"
ports = "47000-47063"

[[site]]
name = "atlanta"
address = "10.0.2.1:47000"
advertise = "gw.atlanta.example.org"
ports = 48000
)";

std::string failure(const std::string& text) {
  const auto file = parse_toml(text, "dir/job.toml");
  INFO(text);
  REQUIRE_FALSE(file.ok());
  CHECK(file.status().code() == lhInvalidArgument);
  return file.status().text();
}

}  // namespace

TEST_CASE("a complete file", "[unit][config]") {
  const auto file = parse_toml(kTwoSites, "dir/job.toml");
  INFO(file.status().text());
  REQUIRE(file.ok());
  CHECK(file->run_id->value == "llama-7");
  CHECK(file->run_id->origin == "dir/job.toml:1");
  CHECK(file->secret_file->value == "dir/job.secret");  // beside the file
  CHECK(file->wan.at("chunk").value == "1048576");
  CHECK(file->wan.at("chunk").origin == "dir/job.toml:6");
  CHECK(file->wan.at("emulate_loss").value == "0.001");
  const auto wan = make_wan(file->wan);
  REQUIRE(wan.ok());
  CHECK(wan->codec == lhCodecI8);
  CHECK(wan->chunk_bytes == 1u << 20);
  CHECK(wan->timeout_ns == 20 * kSecond);
  CHECK(wan->emulate.loss == 0.001);
  CHECK(wan->emulate.rate_bits_per_s == 1'000'000'000u);
  REQUIRE(file->sites.size() == 2);
  CHECK(file->sites[0].name == "wisconsin");
  CHECK(file->sites[0].address->value == "10.0.1.1:47000");
  CHECK(file->sites[0].site_address->value == "192.168.0.1:47100");
  CHECK(file->sites[0].wan.at("bind").value == "10.0.1.1");
  CHECK(file->sites[1].wan.at("ports").value == "48000");
  CHECK(file->sites[1].wan.at("advertise").value == "gw.atlanta.example.org");
  CHECK_FALSE(file->sites[1].site_address);
}

TEST_CASE("files with little in them", "[unit][config]") {
  CHECK(parse_toml("", "f").ok());
  CHECK(parse_toml("# nothing\n", "f").ok());
  CHECK(parse_toml("wan.codec = 'i8'", "f")->wan.at("codec").value == "i8");
  CHECK(parse_toml("wan = { codec = 'i8' }", "f")->wan.at("codec").origin == "f:1");
  CHECK(parse_toml("run_id = 7", "f")->run_id->value == "7");
  CHECK(parse_toml("secret_file = '/etc/s'", "dir/f")->secret_file->value == "/etc/s");
  CHECK(parse_toml("secret_file = 's'", "f")->secret_file->value == "s");
}

TEST_CASE("unknown keys of the file", "[unit][config]") {
  CHECK(contains(failure("\nrunid = 'x'"), "dir/job.toml:2: unknown key 'runid' at top level: did you mean 'run_id'?"));
  CHECK(contains(failure("zzz = 1"), "unknown key 'zzz' at top level; known are: run_id, secret_file, wan, site"));
  CHECK(contains(failure("codec = 'i8'"), "dir/job.toml:1: key 'codec' belongs in the table [wan]"));
  CHECK(contains(failure("[wan]\n\ncodek = 'i8'"),
                 "dir/job.toml:3: unknown key 'codek' in [wan]: did you mean 'codec'?"));
  CHECK(contains(failure("[wan.emulate]\nrtt = '1ms'"), "unknown key 'emulate' in [wan]"));
  CHECK(contains(failure("[[site]]\nname = 'a'\nadress = 'b:1'"),
                 "dir/job.toml:3: unknown key 'adress' in [[site]]: did you mean 'address'?"));
  CHECK(contains(failure("[[sites]]\nname = 'a'"), "unknown key 'sites' at top level: did you mean 'site'?"));
}

TEST_CASE("wrong kinds of values in the file", "[unit][config]") {
  CHECK(contains(failure("run_id = true"), "dir/job.toml:1: run_id must be a string or a number"));
  CHECK(contains(failure("run_id = ['a']"), "run_id must be a string or a number"));
  CHECK(contains(failure("secret_file = 1"), "secret_file must be a string"));
  CHECK(contains(failure("wan = 1"), "wan must be one table: write [wan]"));
  CHECK(contains(failure("[[wan]]\ncodec = 'i8'"), "wan must be one table: write [wan]"));
  CHECK(contains(failure("[wan]\nstreams = true"), "dir/job.toml:2: streams must be a string or a number"));
  CHECK(contains(failure("[wan]\ntimeout = 12:00:00"), "timeout must be a string or a number"));
  CHECK(contains(failure("[site]\nname = 'a'"), "write [[site]] for each"));
  CHECK(contains(failure("site = [1]"), "a site must be a table"));
  CHECK(contains(failure("[[site]]\nname = 1"), "dir/job.toml:2: name must be a string"));
  CHECK(contains(failure("[[site]]\naddress = 1"), "address must be a string such as"));
  CHECK(contains(failure("[[site]]\nsite_address = 1"), "site_address must be a string such as"));
  CHECK(contains(failure("\n[[site]]\naddress = 'a:1'"), "dir/job.toml:2: this [[site]] has no name"));
  CHECK(contains(failure("[[site]]\nname = 'a'\nports = 'x'"), "ports in dir/job.toml:3: 'x' is not a port range"));
}

TEST_CASE("text that is not TOML", "[unit][config]") {
  CHECK(failure("run_id = \n").rfind("dir/job.toml:", 0) == 0);
  CHECK(failure("a b c").rfind("dir/job.toml:1: ", 0) == 0);
  CHECK_FALSE(failure("[wan]\ncodec = 'i8'\ncodec = 'none'").empty());
  CHECK_FALSE(failure("\xff\xfe").empty());
  for (const char* text : {"[[[1]]]", "[[=", "[=]", "[ [", "[[", "[", "=", "a.=1", "a = {=}", "a = {,}"}) {
    CHECK(failure(text).rfind("dir/job.toml:1: ", 0) == 0);
  }
  CHECK_FALSE(failure("x = " + std::string(5000, '[')).empty());
  // Nesting by dots, alone and under nested values, must not use up the stack.
  const auto repeated = [](const char* part, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += part;
    return text;
  };
  CHECK(contains(failure(repeated("a.", 200000) + "a = 1"), "dir/job.toml: more than 2000 dots"));
  CHECK_FALSE(failure(repeated("a.", 1990) + "a = 1").empty());
  CHECK_FALSE(failure("x = " + repeated("{a.a.a.a.a.a.a.a = ", 250) + "1" + std::string(250, '}')).empty());
}

TEST_CASE("reading the file", "[unit][config]") {
  const Directory directory;
  const std::string path = directory.write("job.toml", kTwoSites);
  CHECK(read_toml(path)->sites.size() == 2);
  CHECK(read_toml(path)->secret_file->value == directory.path() + "/job.secret");

  const auto fails = [](const std::string& name, const std::string& with) {
    const auto file = read_toml(name);
    REQUIRE_FALSE(file.ok());
    INFO(file.status().text());
    CHECK(file.status().code() == lhInvalidArgument);
    CHECK(contains(file.status().text(), "configuration file: "));
    CHECK(contains(file.status().text(), with));
  };
  fails(directory.path() + "/none.toml", "No such file");
  fails(directory.path(), "not a regular file");
  fails("/dev/zero", "not a regular file");
  fails(directory.write("large.toml", std::string((1 << 20) + 1, '#')), "larger than 1048576 bytes");
  // A pipe nobody writes to must not block.
  const std::string pipe = directory.path() + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  fails(pipe, "not a regular file");
}

TEST_CASE("damaged files are errors or files, never worse", "[unit][config]") {
  Random random(3);
  int accepted = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string text = kTwoSites;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      const auto at = static_cast<std::size_t>(random.below(text.size()));
      if (random.chance(0.5)) {
        text[at] = static_cast<char>(random.below(256));
      } else {
        text.erase(at, static_cast<std::size_t>(random.below(20)));
      }
    }
    const auto file = parse_toml(text, "f");
    accepted += file.ok() ? 1 : 0;
    if (file.ok()) continue;
    REQUIRE(file.status().code() == lhInvalidArgument);
    for (char c : file.status().text()) REQUIRE((c >= ' ' && c <= '~'));
  }
  CHECK(accepted > 0);
  CHECK(accepted < 3000);
}
