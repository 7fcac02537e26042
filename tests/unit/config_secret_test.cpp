// SPDX-License-Identifier: Apache-2.0
// The job secret: what is accepted, and where it may be missing.
#include "config/secret.h"

#include <string_view>

#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;
using longhaul::config::test::Directory;

namespace {
std::string text_of(const Secret& secret) {
  return {reinterpret_cast<const char*>(secret.bytes.data()), secret.bytes.size()};
}
constexpr const char* kGood = "0123456789abcdef";
}  // namespace

TEST_CASE("a secret is the content without its line end", "[unit][config]") {
  const Directory directory;
  CHECK(text_of(*read_secret(directory.write("a", kGood))) == kGood);
  CHECK(text_of(*read_secret(directory.write("b", std::string(kGood) + "\n"))) == kGood);
  CHECK(text_of(*read_secret(directory.write("c", std::string(kGood) + "\r\n"))) == kGood);
  const std::string inner = "0123\n567 9abcdef ";
  CHECK(text_of(*read_secret(directory.write("d", inner + "\n"))) == inner);
  const std::string zeros(32, '\0');
  CHECK(text_of(*read_secret(directory.write("e", zeros))) == zeros);
  CHECK(read_secret(directory.write("f", std::string(4096, 'x') + "\r\n"))->bytes.size() == 4096);
}

TEST_CASE("secrets that are refused, without showing them", "[unit][config]") {
  const Directory directory;
  const auto failure = [](const std::string& path) {
    const auto secret = read_secret(path);
    REQUIRE_FALSE(secret.ok());
    CHECK(secret.status().code() == lhInvalidArgument);
    CHECK_FALSE(contains(secret.status().text(), "hunter2"));
    return secret.status().text();
  };
  CHECK(contains(failure(directory.write("a", "hunter2\n")), "holds a secret of 7 bytes, must be 16 to 4096"));
  CHECK(contains(failure(directory.write("b", "0123456789abcde\n")), "15 bytes"));
  CHECK(contains(failure(directory.write("c", "")), "0 bytes"));
  CHECK(contains(failure(directory.write("d", std::string(4097, 'x'))), "4097 bytes"));
  CHECK(contains(failure(directory.write("e", std::string(5000, 'x'))), "is larger than"));
  CHECK(contains(failure(directory.path() + "/none"), "secret_file: cannot read"));
  CHECK(contains(failure(directory.path()), "not a regular file"));
}

TEST_CASE("a secret others can read is warned about", "[unit][config]") {
  const Directory directory;
  CHECK_FALSE(read_secret(directory.write("a", kGood, 0600))->warning);
  CHECK_FALSE(read_secret(directory.write("b", kGood, 0400))->warning);
  for (const mode_t mode : {0640u, 0604u, 0620u}) {
    const auto secret = read_secret(directory.write("c", kGood, mode));
    REQUIRE(secret->warning);
    CHECK(contains(*secret->warning, "chmod 600"));
    CHECK_FALSE(contains(*secret->warning, kGood));
  }
}

TEST_CASE("loopback addresses", "[unit][config]") {
  for (const char* host : {"127.0.0.1", "127.255.3.4", "localhost"}) CHECK(is_loopback(host));
  for (const char* host : {"128.0.0.1", "10.0.0.1", "127.example.org", "localhost.example.org", ""}) {
    CHECK_FALSE(is_loopback(host));
  }
}

TEST_CASE("where a secret may be missing", "[unit][config]") {
  const std::vector<Site> local{{"a", {"127.0.0.1", 1}}, {"b", {"localhost", 2}}};
  const std::vector<Site> mixed{{"a", {"127.0.0.1", 1}}, {"b", {"10.0.0.1", 2}}};
  Wan wan;
  CHECK(check_no_secret(local, wan).ok());
  const Status status = check_no_secret(mixed, wan);
  CHECK(status.code() == lhInvalidArgument);
  CHECK(contains(status.text(), "site 'b' at 10.0.0.1:2"));
  CHECK(contains(status.text(), "$LONGHAUL_SECRET_FILE"));
  CHECK(contains(status.text(), "encryption=off"));
  wan.encryption_off_explicit = true;
  CHECK(check_no_secret(mixed, wan).ok());
}
