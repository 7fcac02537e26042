// SPDX-License-Identifier: Apache-2.0
// What a stream-ordered call promises: it returns at once, nothing of it happens before its stream has come to it, its stream does not go on
// before it is done, and an abort lets every stream go.
#include <atomic>

#include "gpu/gpu_loopback.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

void check_clean() {
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
}

lhResult_t add(GpuJob* job, int rank, float* buffer, std::size_t count, lhRequest_t* request = nullptr) {
  return lhAllReduceEx(buffer, buffer, count, lhFloat32, lhSum, nullptr, job->comm(rank), job->user(rank).stream(), request);
}

}  // namespace

TEST_CASE("calls queue behind the work of their streams and in front of what follows", "[gpu]") {
  begin({.seed = 1, .devices = 16, .longest_delay_us = 20});
  {
    GpuJob job({2, 1}, "chunk=64KiB,staging=1MiB");
    REQUIRE(job.outcome().code == lhSuccess);
    const std::size_t count = 50'000;
    std::vector<float*> buffers;
    for (int rank = 0; rank < 3; ++rank) {
      buffers.push_back(job.user(rank).allocate<float>(count));
      job.user(rank).fill(buffers.back(), std::vector<float>(count, 0.0F));
      pause(job.user(rank).stream());
    }
    std::vector<lhRequest_t> requests;
    for (int call = 0; call < 20; ++call)
      for (int rank = 0; rank < 3; ++rank) REQUIRE(add(&job, rank, buffers[at(rank)], count, &requests.emplace_back()) == lhSuccess);
    // The streams have not come to the calls: what is in the buffers now counts.
    for (int rank = 0; rank < 3; ++rank) std::fill(buffers[at(rank)], buffers[at(rank)] + count, 1.0F);
    for (int rank = 0; rank < 3; ++rank) {
      int done = 1;
      CHECK(lhRequestTest(requests[at(rank)], &done) == lhInProgress);
      CHECK(done == 0);
      resume(job.user(rank).stream());
    }
    const Watchdog watchdog("twenty calls on one stream");
    for (const lhRequest_t request : requests) CHECK(lhRequestWait(request) == lhSuccess);
    job.synchronize();
    float expected = 1;
    for (int call = 0; call < 20; ++call) expected *= 3;
    for (int rank = 0; rank < 3; ++rank) CHECK(job.user(rank).read(buffers[at(rank)], count) == std::vector<float>(count, expected));
  }
  check_clean();
}

TEST_CASE("an abort lets the streams of all ranks go", "[gpu]") {
  for (const bool entered : {false, true}) {
    begin({.seed = 2, .devices = 16, .longest_delay_us = 20, .in_progress = 0.3});
    {
      GpuJob job({2, 2}, "chunk=64KiB,staging=1MiB");
      REQUIRE(job.outcome().code == lhSuccess);
      const std::size_t count = 300'000;
      std::vector<lhRequest_t> requests(4);
      for (int rank = 0; rank < 4; ++rank) {
        // One rank never comes to the call: nobody can finish it.
        if (!entered || rank == 3) pause(job.user(rank).stream());
        REQUIRE(add(&job, rank, job.user(rank).allocate<float>(count), count, &requests[at(rank)]) == lhSuccess);
      }
      REQUIRE(lhCommAbort(job.comm(0)) == lhSuccess);
      const Watchdog watchdog("an abort on GPUs");
      CHECK(lhRequestWait(requests[0]) == lhAborted);
      for (int rank = 1; rank < 4; ++rank) CHECK(lhRequestWait(requests[at(rank)]) == lhRemoteError);
      for (int rank = 0; rank < 4; ++rank) resume(job.user(rank).stream());
      job.synchronize();
      CHECK(add(&job, 0, job.user(0).allocate<float>(1), 1) == lhAborted);
    }
    check_clean();
  }
}

TEST_CASE("communicators may be destroyed while calls are under way", "[gpu]") {
  for (int round = 0; round < 4; ++round) {
    begin({.seed = 11 + static_cast<std::uint64_t>(round), .devices = 16, .longest_delay_us = 100, .in_progress = 0.3});
    {
      GpuJob job({2, 2}, "chunk=64KiB,staging=1MiB");
      REQUIRE(job.outcome().code == lhSuccess);
      for (int rank = 0; rank < 4; ++rank)
        REQUIRE(add(&job, rank, job.user(rank).allocate<float>(200'000), 200'000) == lhSuccess);
      job.destroy();
      job.synchronize();
    }
    check_clean();
  }
}
