// SPDX-License-Identifier: Apache-2.0
// Requests, groups, barriers, the rail scope and the counters.
#include <algorithm>
#include <atomic>
#include <random>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

constexpr std::size_t kRequests = 200;
using Order = std::vector<std::size_t>;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// Issues many sums of different sizes at once, waits in the given order; the number of wrong elements in *wrong.
lhResult_t run_requests(int ranks, int rank, lhComm_t comm, const Order& order, std::size_t* wrong) {
  std::vector<std::vector<std::int32_t>> inputs, results;
  std::vector<lhRequest_t> requests(kRequests, nullptr);
  for (std::size_t i = 0; i < kRequests; ++i) {
    inputs.emplace_back(1 + i * 37 % 5000, rank + static_cast<std::int32_t>(i));
    results.emplace_back(inputs.back().size());
  }
  for (std::size_t i = 0; i < kRequests; ++i) {
    const lhResult_t issued = lhAllReduceEx(inputs[i].data(), results[i].data(), inputs[i].size(), lhInt32, lhSum,
                                            nullptr, comm, nullptr, &requests[i]);
    if (issued != lhSuccess) return issued;
  }
  lhResult_t first = lhSuccess;
  for (const std::size_t i : order) {
    const lhResult_t result = lhRequestWait(requests[i]);
    if (first == lhSuccess) first = result;
    const std::int32_t expected = ranks * (ranks - 1) / 2 + ranks * static_cast<std::int32_t>(i);
    for (const std::int32_t value : results[i]) *wrong += value != expected;
  }
  return first;
}

lhResult_t rail_sum(const std::vector<float>& mine, std::vector<float>* result, lhRedOp_t op, lhCodec_t codec,
                    lhComm_t comm) {
  result->assign(mine.size(), 0.0F);
  const lhCallConfig_t config = call_with(codec, lhScopeRail);
  return lhAllReduceEx(mine.data(), result->data(), mine.size(), lhFloat32, op, &config, comm, nullptr, nullptr);
}

}  // namespace

TEST_CASE("200 requests in flight, waited for in any order", "[integration][loopback]") {
  Order order(kRequests);
  for (std::size_t i = 0; i < kRequests; ++i) order[i] = i;
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {2, 1, 2}, {3}}) {
    const Loopback job(shape);
    for (int turn = 0; turn < 3; ++turn) {
      INFO(job.name() << ", turn " << turn);
      std::vector<std::size_t> wrong(at(job.ranks()));
      job.run_ok([&](int rank, lhComm_t comm) {
        Order mine = order;
        if (turn == 1) std::reverse(mine.begin(), mine.end());
        if (turn == 2) std::shuffle(mine.begin(), mine.end(), std::mt19937(static_cast<unsigned>(rank)));
        return run_requests(job.ranks(), rank, comm, mine, &wrong[at(rank)]);
      });
      for (const std::size_t count : wrong) CHECK(count == 0);
    }
  }
}

TEST_CASE("lhRequestTest tells the end and does not consume the request", "[integration][loopback]") {
  const Loopback job({1, 1});
  const float one = 1;
  std::vector<float> results(2);
  lhRequest_t early = nullptr;
  REQUIRE(lhAllReduceEx(&one, &results[0], 1, lhFloat32, lhSum, nullptr, job[0], nullptr, &early) == lhSuccess);
  int done = 1;
  CHECK(lhRequestTest(early, &done) == lhInProgress);  // rank 1 has not called yet
  CHECK(done == 0);
  REQUIRE(lhAllReduce(&one, &results[1], 1, lhFloat32, lhSum, job[1], nullptr) == lhSuccess);
  {
    const Watchdog watchdog("lhRequestTest");
    while (lhRequestTest(early, &done) == lhInProgress) CHECK(done == 0);
  }
  CHECK(done == 1);
  CHECK(lhRequestTest(early, &done) == lhSuccess);
  CHECK(done == 1);
  CHECK(lhRequestWait(early) == lhSuccess);
  CHECK(results == std::vector<float>{2, 2});
}

TEST_CASE("In a group one thread drives all communicators", "[integration][loopback]") {
  const Loopback job({3, 2});
  const Watchdog watchdog("a group");
  std::vector<std::vector<double>> sums(5, std::vector<double>(3001)), inputs = sums,
                                                                       gathered(5, std::vector<double>(5));
  for (int turn = 0; turn < 3; ++turn) {
    for (int rank = 0; rank < 5; ++rank) inputs[at(rank)].assign(3001, rank + turn);
    REQUIRE(lhGroupStart() == lhSuccess);
    REQUIRE(lhGroupStart() == lhSuccess);
    for (int rank = 0; rank < 5; ++rank) {
      double* mine = inputs[at(rank)].data();
      CHECK(lhAllReduce(mine, sums[at(rank)].data(), 3001, lhFloat64, lhSum, job[rank], nullptr) == lhSuccess);
      CHECK(lhAllGather(mine, gathered[at(rank)].data(), 1, lhFloat64, job[rank], nullptr) == lhSuccess);
    }
    REQUIRE(lhGroupEnd() == lhSuccess);  // the inner one
    for (int rank = 0; rank < 5; ++rank) CHECK(lhBarrier(job[rank], nullptr) == lhSuccess);
    REQUIRE(lhGroupEnd() == lhSuccess);
    for (int rank = 0; rank < 5; ++rank) {
      CHECK(sums[at(rank)] == std::vector<double>(3001, 10 + 5 * turn));
      CHECK(gathered[at(rank)] == std::vector<double>{0.0 + turn, 1.0 + turn, 2.0 + turn, 3.0 + turn, 4.0 + turn});
    }
  }
}

TEST_CASE("lhGroupEnd returns the first error", "[integration][loopback]") {
  const Loopback job({1, 1});
  const Watchdog watchdog("a group with a refused call");
  CHECK(lhGroupEnd() == lhInvalidUsage);
  const float one = 1;
  std::vector<float> results(2);
  REQUIRE(lhGroupStart() == lhSuccess);
  for (int rank = 0; rank < 2; ++rank) lhAllReduce(&one, &results[at(rank)], 1, lhFloat32, lhSum, job[rank], nullptr);
  CHECK(lhAllReduce(nullptr, nullptr, 1, lhFloat32, lhSum, job[0], nullptr) == lhInvalidArgument);
  CHECK(lhGroupEnd() == lhInvalidArgument);
  CHECK(contains(lhGetLastError(nullptr), "send"));
  CHECK(results == std::vector<float>{2, 2});
  REQUIRE(lhGroupStart() == lhSuccess);
  CHECK(lhGroupEnd() == lhSuccess);
}

TEST_CASE("lhBarrier returns when every rank has called it", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{2, 2}, {2, 1, 2}, {3}, {1}}) {
    const Loopback job(shape);
    std::atomic<int> arrived{0}, early{0};
    job.run_ok([&](int, lhComm_t comm) {
      for (int round = 1; round <= 200; ++round) {
        arrived.fetch_add(1);
        if (const lhResult_t result = lhBarrier(comm, nullptr); result != lhSuccess) return result;
        if (arrived.load() < round * job.ranks()) early.fetch_add(1);
      }
      return lhSuccess;
    });
    INFO(job.name());
    CHECK(early.load() == 0);
  }
}

TEST_CASE("The rail scope sums across sites only", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 3}, {2, 2, 2}, {2}}) {
    const Loopback job(shape);
    const int size = shape[0], sites = job.sites();
    for (const lhCodec_t codec : kAllCodecs) {
      for (const lhRedOp_t op : {lhSum, lhAvg, lhMax}) {
        INFO(job.name() << ", codec " << codec << ", op " << op);
        std::vector<std::vector<float>> results(at(job.ranks()));
        // Equal values of one power of two are exact under most codecs.
        job.run_ok([&](int rank, lhComm_t comm) {
          const std::vector<float> mine(40009, static_cast<float>(rank % size + 1));
          return rail_sum(mine, &results[at(rank)], op, codec, comm);
        });
        for (int rank = 0; rank < job.ranks(); ++rank) {
          const float expected = static_cast<float>(rank % size + 1) * static_cast<float>(op == lhSum ? sites : 1);
          const bool rotated = codec == lhCodecR4 || codec == lhCodecR2;
          const float bound = op == lhMax ? 0 : codec == lhCodecI8 ? expected * 0.02F : codec == lhCodecF4 ? expected * 0.2F : rotated ? expected * 3 : 0;
          CHECK(results[at(rank)] == results[at(rank % size)]);
          CHECK(std::fabs(*std::min_element(results[at(rank)].begin(), results[at(rank)].end()) - expected) <= bound);
          CHECK(std::fabs(*std::max_element(results[at(rank)].begin(), results[at(rank)].end()) - expected) <= bound);
        }
      }
    }
    job.check_alive();
  }
}

TEST_CASE("The rail scope needs sites of equal size", "[integration][loopback]") {
  const Loopback job({2, 1});
  for (const Outcome& outcome : job.run([](int, lhComm_t comm) {
         std::vector<float> result;
         return rail_sum({1, 2, 3}, &result, lhSum, lhCodecNone, comm);
       })) {
    CHECK(outcome.code == lhInvalidUsage);
    CHECK(contains(outcome.text, "equal size"));
  }
}

TEST_CASE("The counters", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}}) {
    const Loopback job(shape);
    INFO(job.name());
    for (int rank = 0; rank < job.ranks(); ++rank) {
      CHECK(stats_of(job[rank]).operations == 0);  // the library's own barrier at the start does not count
      CHECK(stats_of(job[rank]).payloadBytes == 0);
    }
    const std::size_t count = 100003;
    job.run_ok([&](int, lhComm_t comm) {
      const std::vector<float> mine(count, 1.0F);
      std::vector<float> result(count);
      const lhCallConfig_t config = call_with(lhCodecI8);
      lhResult_t code = lhAllReduce(mine.data(), result.data(), count, lhFloat32, lhSum, comm, nullptr);
      if (code == lhSuccess)
        code = lhAllReduceEx(mine.data(), result.data(), count, lhFloat32, lhSum, &config, comm, nullptr, nullptr);
      if (lhAllReduce(nullptr, result.data(), count, lhFloat32, lhSum, comm, nullptr) != lhInvalidArgument)
        return lhInternalError;
      return code;
    });
    job.run_ok([](int, lhComm_t comm) { return lhBarrier(comm, nullptr); });
    std::vector<std::uint64_t> payload(2), sent(2), received(2);
    for (int rank = 0; rank < job.ranks(); ++rank) {
      const lhStats_t stats = stats_of(job[rank]);
      CHECK(stats.operations == 3);
      CHECK(stats.failedOperations == 0);
      CHECK(stats.resentBytes == 0);
      CHECK(stats.reconnects == 0);
      CHECK(stats.droppedFrames == 0);
      CHECK(stats.peakMemoryBytes > 0);
      payload[at(job.site_of(rank))] += stats.payloadBytes;
      sent[at(job.site_of(rank))] += stats.wanBytesSent;
      received[at(job.site_of(rank))] += stats.wanBytesReceived;
    }
    for (int site = 0; site < 2; ++site) {
      CHECK(payload[at(site)] == 2 * 4 * count);  // before the codec
      CHECK(sent[at(site)] > 5 * count);          // 4 bytes a value without, a little over 1 with i8
      CHECK(sent[at(site)] < 6 * count);
      CHECK(received[at(site)] > 5 * count);
    }
  }
}

TEST_CASE("lhCommGetStats fills what an older caller knows and leaves the rest", "[integration][loopback]") {
  const Loopback job({1});
  job.check_alive();
  lhStats_t stats = LH_STATS_INITIALIZER;
  stats.size = offsetof(lhStats_t, failedOperations);
  stats.failedOperations = stats.peakMemoryBytes = 4711;
  REQUIRE(lhCommGetStats(job[0], &stats) == lhSuccess);
  CHECK(stats.operations == 1);
  CHECK(stats.failedOperations == 4711);
  CHECK(stats.peakMemoryBytes == 4711);
}
