// SPDX-License-Identifier: Apache-2.0
// A run that continues from a checkpoint has the bits of one that went through, with the codecs that rotate by the number of the call.
#include <cmath>
#include <cstring>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

using Values = std::vector<float>;

/// Result of rank 0 of an all-reduce of `rank + 1` times the same waves.
Values step(const Loopback& job, lhCodec_t codec) {
  const std::size_t count = 5000;
  std::vector<Values> results(static_cast<std::size_t>(job.ranks()), Values(count));
  const lhCallConfig_t config = call_with(codec, lhScopeDefault);
  job.run_ok([&](int rank, lhComm_t comm) {
    Values& mine = results[static_cast<std::size_t>(rank)];
    for (std::size_t i = 0; i < count; ++i) mine[i] = static_cast<float>(rank + 1) * std::sin(static_cast<float>(i * i % 7919));
    return lhAllReduceEx(mine.data(), mine.data(), count, lhFloat32, lhSum, &config, comm, nullptr, nullptr);
  });
  return results[0];
}

bool same(const Values& a, const Values& b) { return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0; }

std::uint64_t calls_of(lhComm_t comm) {
  std::uint64_t calls = 0;
  REQUIRE(lhCommGetCallCount(comm, &calls) == lhSuccess);
  return calls;
}

}  // namespace

TEST_CASE("A run that continues with the count of calls of then has the bits of one that went through", "[integration][loopback]") {
  for (const lhCodec_t codec : {lhCodecR4, lhCodecR2}) {
    INFO("codec " << codec);
    const Loopback through({2, 1});
    CHECK(calls_of(through[0]) == 0);
    const Values first = step(through, codec), second = step(through, codec), third = step(through, codec);
    CHECK_FALSE(same(first, second));  // another rotation
    CHECK(calls_of(through[2]) == 3);

    const Loopback resumed({2, 1});
    resumed.run_ok([](int, lhComm_t comm) { return lhBarrier(comm, nullptr); });  // something the first run did not have
    resumed.run_ok([](int, lhComm_t comm) { return lhCommSetCallCount(comm, 1); });
    CHECK(same(step(resumed, codec), second));
    CHECK(same(step(resumed, codec), third));
    CHECK(calls_of(resumed[1]) == 3);
  }
}

TEST_CASE("A count of calls that only some ranks set ends in a text that says so", "[integration][loopback]") {
  for (const int odd : {0, 1, 2}) {  // in the site of another rank, and alone
    const Loopback job({2, 1});
    INFO("rank " << odd);
    REQUIRE(lhCommSetCallCount(job[odd], 7) == lhSuccess);
    const std::vector<Outcome> outcomes = job.run([&](int, lhComm_t comm) { return lhBarrier(comm, nullptr); });
    bool told = false;
    for (const Outcome& outcome : outcomes) {
      CHECK(outcome.code == lhInvalidUsage);
      told |= contains(outcome.text, " 8 at ") && contains(outcome.text, "lhCommSetCallCount");
    }
    CHECK(told);
  }
}

TEST_CASE("Counts of calls: what makes no sense is refused", "[integration][loopback]") {
  std::uint64_t calls = 0;
  CHECK(lhCommGetCallCount(nullptr, &calls) == lhInvalidArgument);
  CHECK(lhCommSetCallCount(nullptr, 1) == lhInvalidArgument);
  const Loopback job({1, 1});
  CHECK(lhCommGetCallCount(job[0], nullptr) == lhInvalidArgument);
  job.run_ok([](int, lhComm_t comm) { return lhCommFinalize(comm); });
  CHECK(lhCommSetCallCount(job[0], 1) == lhInvalidUsage);
  CHECK(lhCommGetCallCount(job[0], &calls) == lhSuccess);
}
