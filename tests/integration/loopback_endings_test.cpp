// SPDX-License-Identifier: Apache-2.0
// How calls and communicators end: deadlines, aborts, ranks that leave, finalize and destroy in every order. The
// deadline where a test must not wait for it is ten minutes, the watchdog's one: waiting for it fails the test.
#include <atomic>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

constexpr const char* kLongDeadline = "timeout=10m";
const std::vector<std::vector<int>> kShapes{{1, 1}, {2, 2}, {1, 1, 1}, {3}};

lhResult_t small_sum(lhComm_t comm, unsigned timeout_ms = 0) {
  const float one = 1;
  float sum = 0;
  const lhCallConfig_t config = call_with(lhCodecNone, lhScopeGlobal, timeout_ms);
  return lhAllReduceEx(&one, &sum, 1, lhFloat32, lhSum, &config, comm, nullptr, nullptr);
}

lhRequest_t issue_sum(lhComm_t comm, const float* one, float* sum) {
  lhRequest_t request = nullptr;
  REQUIRE(lhAllReduceEx(one, sum, 1, lhFloat32, lhSum, nullptr, comm, nullptr, &request) == lhSuccess);
  return request;
}

lhResult_t state_of(lhComm_t comm) {
  lhResult_t state = lhInternalError;
  REQUIRE(lhCommGetAsyncError(comm, &state) == lhSuccess);
  return state;
}

/// Lets the other ranks notice a failure without calling anything.
lhResult_t wait_for_failure(lhComm_t comm) {
  const Watchdog watchdog("waiting for the failure to be known everywhere");
  while (state_of(comm) == lhSuccess) std::this_thread::yield();
  return state_of(comm);
}

}  // namespace

TEST_CASE("A rank that does not call: lhTimeout at the deadline, naming it", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    for (const int missing : {0, 1}) {
      const Loopback job(shape);
      INFO(job.name() << ", missing rank " << missing);
      job.run_ok([](int, lhComm_t comm) { return lhBarrier(comm, nullptr); });
      const std::vector<Outcome> outcomes =
          job.run([&](int rank, lhComm_t comm) { return rank == missing ? lhSuccess : small_sum(comm, 300); });
      const std::string name =
          "rank " + std::to_string(shape[0] > 1 ? missing : 0) + " of site site" + std::to_string(job.site_of(missing));
      for (int rank = 0; rank < job.ranks(); ++rank) {
        if (rank == missing) continue;
        const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
        INFO("rank " << rank << ": " << outcome.text);
        CHECK(outcome.code == lhTimeout);
        // The ranks of another site may know only that its site is not complete.
        const std::string site = "of site site" + std::to_string(job.site_of(missing));
        CHECK((contains(outcome.text, name) ||
               (contains(outcome.text, site) && contains(outcome.text, "or another rank of its site"))));
        CHECK(small_sum(job[rank]) == lhTimeout);  // final
        CHECK(stats_of(job[rank]).failedOperations >= 1);
      }
      CHECK(wait_for_failure(job[missing]) != lhSuccess);
      CHECK(small_sum(job[missing], 300) != lhSuccess);
    }
  }
}

TEST_CASE("wan.timeout is the deadline of calls without one", "[integration][loopback]") {
  const Loopback job({1, 1}, "timeout=300ms");
  const Watchdog watchdog("a call with the configured deadline");
  CHECK(small_sum(job[0]) == lhTimeout);
  CHECK(contains(lhGetLastError(job[0]), "site1"));
  CHECK(lhGetLastError(job[0]) == std::string(lhGetLastError(nullptr)));
}

TEST_CASE("An abort releases blocked calls and reaches the other ranks before the deadline",
          "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    const Loopback job(shape, kLongDeadline);
    INFO(job.name());
    const int last = job.ranks() - 1;
    // The last rank never calls; rank 0's blocked call is aborted by another thread; the others wait in vain.
    std::atomic<bool> waiting{false};
    std::thread aborter([&] {
      while (!waiting.load()) std::this_thread::yield();
      lhCommAbort(job[0]);
    });
    const std::vector<Outcome> outcomes = job.run([&](int rank, lhComm_t comm) {
      if (rank == last) return wait_for_failure(comm);
      if (rank == 0) waiting.store(true);
      return small_sum(comm);
    });
    aborter.join();
    for (int rank = 0; rank < job.ranks(); ++rank) {
      const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
      INFO("rank " << rank << ": " << outcome.text);
      CHECK(outcome.code == (rank == 0 ? lhAborted : lhRemoteError));
      CHECK(small_sum(job[rank]) == outcome.code);
      if (rank != 0) CHECK(contains(lhGetLastError(job[rank]), "rank 0 of site site0"));
    }
  }
}

TEST_CASE("An abort ends every request in flight", "[integration][loopback]") {
  const Loopback job({1, 1}, kLongDeadline);
  const Watchdog watchdog("aborted requests");
  const float one = 1;
  std::vector<float> sums(50);
  std::vector<lhRequest_t> requests;
  for (float& sum : sums) requests.push_back(issue_sum(job[0], &one, &sum));
  CHECK(lhCommAbort(job[0]) == lhSuccess);
  for (const lhRequest_t request : requests) CHECK(lhRequestWait(request) == lhAborted);
  CHECK(lhCommAbort(job[0]) == lhSuccess);  // again
  CHECK(small_sum(job[0]) == lhAborted);
  // Before it hears of the abort, rank 1 may find rank 0's contribution to the first call and succeed.
  CHECK(wait_for_failure(job[1]) == lhRemoteError);
  CHECK(small_sum(job[1]) == lhRemoteError);
}

TEST_CASE("Destroying a communicator fails the ranks that still need it", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    Loopback job(shape, kLongDeadline);
    INFO(job.name());
    const int last = job.ranks() - 1;
    std::atomic<int> waiting{0};
    const std::vector<Outcome> outcomes = job.run([&](int rank, lhComm_t comm) {
      if (rank != last) {
        waiting.fetch_add(1);
        return small_sum(comm);
      }
      while (waiting.load() < last) std::this_thread::yield();
      job.destroy_one(last);
      return lhSuccess;
    });
    for (int rank = 0; rank < last; ++rank) {
      const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
      INFO("rank " << rank << ": " << outcome.text);
      CHECK(outcome.code == lhRemoteError);
      CHECK(contains(outcome.text, "of site site" + std::to_string(job.site_of(last))));
    }
  }
}

TEST_CASE("Pending requests of a destroyed communicator end with lhAborted", "[integration][loopback]") {
  Loopback job({1, 1}, kLongDeadline);
  const Watchdog watchdog("requests of a destroyed communicator");
  const float one = 1;
  float sum = 0;
  const lhRequest_t request = issue_sum(job[0], &one, &sum);
  CHECK(job.destroy_one(0) == lhSuccess);
  int done = 0;
  CHECK(lhRequestTest(request, &done) == lhAborted);
  CHECK(done == 1);
  CHECK(lhRequestWait(request) == lhAborted);
}

TEST_CASE("Finalize waits for everything issued, then nothing but destroy is allowed", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    const Loopback job(shape, kLongDeadline);
    INFO(job.name());
    std::atomic<int> early{0}, wrong{0};
    job.run_ok([&](int, lhComm_t comm) {
      const std::vector<float> ones(200000, 1.0F);
      std::vector<float> sums(ones.size());
      lhRequest_t request = nullptr;
      lhResult_t result =
          lhAllReduceEx(ones.data(), sums.data(), ones.size(), lhFloat32, lhSum, nullptr, comm, nullptr, &request);
      if (result == lhSuccess) result = lhCommFinalize(comm);
      if (result != lhSuccess) return result;
      int done = 0;
      lhRequestTest(request, &done);
      result = lhRequestWait(request);
      if (done != 1) early.fetch_add(1);
      if (sums != std::vector<float>(sums.size(), static_cast<float>(job.ranks()))) wrong.fetch_add(1);
      return result;
    });
    CHECK(early.load() == 0);
    CHECK(wrong.load() == 0);
    CHECK(small_sum(job[0]) == lhInvalidUsage);
    CHECK(contains(lhGetLastError(job[0]), "finalised"));
    CHECK(lhCommFinalize(job[0]) == lhInvalidUsage);
  }
}

TEST_CASE("One thread finalises all communicators in a group", "[integration][loopback]") {
  const Loopback job({2, 1});
  const Watchdog watchdog("finalize in a group");
  REQUIRE(lhGroupStart() == lhSuccess);
  for (int rank = 0; rank < 3; ++rank) CHECK(lhCommFinalize(job[rank]) == lhSuccess);
  CHECK(lhGroupEnd() == lhSuccess);
}

TEST_CASE("Destroy right after the last call, on all ranks at once", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    for (int turn = 0; turn < 40; ++turn) {
      Loopback job(shape, kLongDeadline);
      INFO(job.name() << ", turn " << turn);
      std::vector<double> sums(static_cast<std::size_t>(job.ranks()));
      // A rank that is done leaves while others still wait for what it sent.
      job.run_ok([&](int rank, lhComm_t comm) {
        const std::vector<double> ones(50001, 1.0);
        std::vector<double> result(ones.size());
        const lhResult_t code = lhAllReduce(ones.data(), result.data(), ones.size(), lhFloat64, lhSum, comm, nullptr);
        for (const double value : result) sums[static_cast<std::size_t>(rank)] += value;
        if (code != lhSuccess) return code;
        return job.destroy_one(rank);
      });
      for (const double sum : sums) REQUIRE(sum == 50001.0 * job.ranks());
    }
  }
}

TEST_CASE("A communicator that failed can be destroyed in any order", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    Loopback job(shape, kLongDeadline);
    const Watchdog watchdog("destroying failed communicators");
    lhCommAbort(job[job.ranks() - 1]);
    CHECK(job.destroy_one(job.ranks() - 1) == lhSuccess);
    for (int rank = 0; rank + 1 < job.ranks(); ++rank) {
      CHECK(small_sum(job[rank]) == lhRemoteError);
      CHECK(job.destroy_one(rank) == lhSuccess);
    }
  }
}
