// SPDX-License-Identifier: Apache-2.0
// Every call that the library makes of CUDA and NCCL fails once, in a run of its own: whatever it was, all calls end, all streams go on, a rank that
// reports success holds the right numbers, nothing is left over, nothing forbidden is done. LH_GPU_SWEEP_STEP=1 tries every call, more is quicker.
#include <cstdlib>
#include <set>

#include "gpu/gpu_loopback.h"
#include "support/elements.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;

namespace {

constexpr std::size_t kCount = 40'000;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// What a job comes to: calls made, and how many ranks succeeded in the last call.
struct Ran {
  std::uint64_t calls = 0;
  int succeeded = 0;
  bool started = false;
  std::string failed;
};

Ran run_job(std::uint64_t fail) {
  begin({.seed = fail + 1, .devices = 16, .longest_delay_us = 20, .in_progress = 0.2});
  fail_call(fail);
  Ran ran;
  {
    GpuJob job({2, 1}, "chunk=64KiB,staging=1MiB,timeout=20s");
    ran.started = job.outcome().code == lhSuccess;
    ran.failed = failed_call();
    if (!ran.started) CHECK(job.outcome().text != "");
    if (ran.started) {
      std::vector<float*> buffers;
      for (int rank = 0; rank < 3; ++rank) {
        buffers.push_back(job.user(rank).allocate<float>(kCount));
        job.user(rank).fill(buffers.back(), std::vector<float>(kCount, static_cast<float>(rank + 1)));
      }
      const std::uint64_t made = calls();
      fail_call(fail > made ? fail : 0);
      std::vector<lhRequest_t> requests(3, nullptr);
      for (int rank = 0; rank < 3; ++rank) {
        const lhResult_t result = lhAllReduceEx(buffers[at(rank)], buffers[at(rank)], kCount, lhFloat32, lhSum, nullptr, job.comm(rank),
                                                job.user(rank).stream(), &requests[at(rank)]);
        if (result != lhSuccess) lhCommAbort(job.comm(rank));  // as the interface says: any other error is final
      }
      const Watchdog watchdog("call " + std::to_string(fail) + " fails: " + failed_call());
      for (int rank = 0; rank < 3; ++rank) {
        if (!requests[at(rank)] || lhRequestWait(requests[at(rank)]) != lhSuccess) continue;
        ++ran.succeeded;
        fail_call(0);
        CHECK(job.user(rank).read(buffers[at(rank)], kCount) == std::vector<float>(kCount, 6.0F));
      }
      fail_call(0);
      job.synchronize();
      ran.calls = calls();
      if (ran.failed.empty()) ran.failed = failed_call();
    }
  }
  INFO("call " << fail << " failed: " << ran.failed);
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
  return ran;
}

}  // namespace

TEST_CASE("every call of CUDA and NCCL fails once", "[gpu]") {
  const Ran whole = run_job(0);
  REQUIRE(whole.succeeded == 3);
  const char* step_text = std::getenv("LH_GPU_SWEEP_STEP");
  const auto step = static_cast<std::uint64_t>(step_text ? std::atoi(step_text) : 3);
  std::set<std::string> failed;
  std::uint64_t refused = 0;
  for (std::uint64_t fail = 1; fail <= whole.calls; fail += step) {
    const Ran ran = run_job(fail);
    failed.insert(ran.failed);
    refused += !ran.started;
  }
  INFO("of " << whole.calls << " calls; kinds: " << failed.size() << ", failed bring-ups: " << refused);
  CHECK(failed.size() > 10);
  CHECK(refused > 0);
}
