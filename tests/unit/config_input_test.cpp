// SPDX-License-Identifier: Apache-2.0
// lhConfig_t over the ABI: uninitialised, older, newer.
#include "config/input.h"

#include <cstddef>
#include <cstring>
#include <vector>

#include "config_support.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::config;
using longhaul::config::test::contains;

namespace {
std::string failure(const lhConfig_t& config, lhResult_t code = lhInvalidArgument) {
  const auto copy = copy_struct(&config);
  REQUIRE_FALSE(copy.ok());
  CHECK(copy.status().code() == code);
  return copy.status().text();
}
}  // namespace

TEST_CASE("no struct means defaults", "[unit][config]") {
  const auto copy = copy_struct(nullptr);
  REQUIRE(copy.ok());
  CHECK(copy->siteRank == -1);
  CHECK(copy->device == -1);
  CHECK(copy->blocking == 1);
  CHECK(copy->file == nullptr);
}

TEST_CASE("a struct not started from the initializer", "[unit][config]") {
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  CHECK(copy_struct(&config).ok());
  const char* expected = "start from LH_CONFIG_INITIALIZER";
  config.magic = 0;
  CHECK(contains(failure(config), expected));
  config = LH_CONFIG_INITIALIZER;
  config.size = 0;
  CHECK(contains(failure(config), expected));
  config.size = 15;
  CHECK(contains(failure(config), expected));
  config = LH_CONFIG_INITIALIZER;
  config.version = 0;
  CHECK(contains(failure(config), expected));
  config = LH_CONFIG_INITIALIZER;
  config.size = sizeof(lhConfig_t) + 8;
  CHECK(contains(failure(config), "newer longhaul.h than this library"));
  config = LH_CONFIG_INITIALIZER;
  config.version = LH_VERSION_CODE + 1;
  CHECK(contains(failure(config), expected));
}

TEST_CASE("an older, shorter struct keeps defaults for what it lacks", "[unit][config]") {
  // Exactly `size` bytes on the heap, so that reading further shows under AddressSanitizer.
  lhConfig_t full = LH_CONFIG_INITIALIZER;
  full.runId = "r";
  full.siteRank = 2;
  full.wan = "codec=i8";
  full.device = -1;
  full.blocking = 0;
  for (std::size_t size = offsetof(lhConfig_t, version) + sizeof(unsigned); size <= sizeof(full); ++size) {
    INFO(size);
    full.size = size;
    auto* raw = static_cast<std::byte*>(std::malloc(size));
    std::memcpy(raw, &full, size);
    const auto copy = copy_struct(reinterpret_cast<const lhConfig_t*>(raw));
    std::free(raw);
    REQUIRE(copy.ok());
    const auto has = [&](std::size_t end) { return size >= end; };
    CHECK((copy->runId == full.runId) == has(offsetof(lhConfig_t, runId) + sizeof(char*)));
    CHECK((copy->siteRank == 2) == has(offsetof(lhConfig_t, siteRank) + sizeof(int)));
    CHECK((copy->wan == full.wan) == has(offsetof(lhConfig_t, wan) + sizeof(char*)));
    CHECK((copy->blocking == 0) == has(offsetof(lhConfig_t, blocking) + sizeof(int)));
  }
}

TEST_CASE("fields of the struct that are refused", "[unit][config]") {
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.device = 1;
  CHECK(copy_struct(&config)->device == 1);
  config.device = -2;
  CHECK(contains(failure(config), "device -2"));
  config = LH_CONFIG_INITIALIZER;
  config.blocking = 2;
  CHECK(contains(failure(config), "blocking 2 must be 0 or 1"));
  config = LH_CONFIG_INITIALIZER;
  const lhOob_t oob{nullptr, nullptr};
  config.oob = &oob;
  CHECK(contains(failure(config), "oob has no allgather function"));
}
