// SPDX-License-Identifier: Apache-2.0
// Every call that the library makes of CUDA and NCCL fails once, in a run of its own: whatever it was, all calls end, all streams go on, a rank that
// reports success holds the right numbers, nothing is left over, nothing forbidden is done. LH_GPU_SWEEP_STEP=1 tries every call, more is quicker.
#include <optional>
#include <set>

#include "gpu/gpu_loopback.h"
#include "support/elements.h"
#include "support/trace_folder.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;

namespace {

constexpr std::size_t kCount = 40'000;
constexpr float kTooLarge = 0x1p120F;  // for f4: that chunk is encoded once more, as bf16

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// What a job comes to: calls made, and how many ranks succeeded in the last call.
struct Ran {
  std::uint64_t calls = 0;
  int succeeded = 0;
  bool started = false;
  std::string failed;
};

/// Rank r contributes r + 1; with a codec one element is too much for it.
std::vector<float> values(int rank, bool coded) {
  std::vector<float> made(kCount, static_cast<float>(rank + 1));
  if (coded && rank == 0) made[0] = kTooLarge;
  return made;
}

bool right(const std::vector<float>& sum, bool coded) {
  std::vector<float> expected(kCount, 6.0F);
  if (coded) expected[0] = kTooLarge;
  return sum == expected;
}

Ran run_job(std::uint64_t fail, bool coded) {
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
        job.user(rank).fill(buffers.back(), values(rank, coded));
      }
      const std::uint64_t made = calls();
      fail_call(fail > made ? fail : 0);
      std::vector<lhRequest_t> requests(3, nullptr);
      const lhCallConfig_t config = call_with(coded ? lhCodecF4 : lhCodecNone);
      for (int rank = 0; rank < 3; ++rank) {
        const lhResult_t result = lhAllReduceEx(buffers[at(rank)], buffers[at(rank)], kCount, lhFloat32, lhSum, &config, job.comm(rank),
                                                job.user(rank).stream(), &requests[at(rank)]);
        if (result != lhSuccess) lhCommAbort(job.comm(rank));  // as the interface says: any other error is final
      }
      const Watchdog watchdog("call " + std::to_string(fail) + " fails: " + failed_call());
      for (int rank = 0; rank < 3; ++rank) {
        if (!requests[at(rank)] || lhRequestWait(requests[at(rank)]) != lhSuccess) continue;
        ++ran.succeeded;
        fail_call(0);
        CHECK(right(job.user(rank).read(buffers[at(rank)], kCount), coded));
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
  const int variant = GENERATE(0, 1, 2);
  const std::uint64_t step = number_from("LH_GPU_SWEEP_STEP", 4) * (variant == 2 ? 3 : 1);
  const bool coded = variant > 0;
  std::optional<TraceFolder> traced;  // with a trace there are more calls of CUDA: events around every phase
  if (variant == 2) traced.emplace();
  const Ran whole = run_job(0, coded);
  REQUIRE(whole.succeeded == 3);
  std::set<std::string> failed;
  std::uint64_t refused = 0;
  for (std::uint64_t fail = 1; fail <= whole.calls; fail += step) {
    const Ran ran = run_job(fail, coded);
    failed.insert(ran.failed);
    refused += !ran.started;
  }
  INFO("of " << whole.calls << " calls; kinds: " << failed.size() << ", failed bring-ups: " << refused);
  CHECK(failed.size() > (variant == 2 ? 5U : 10U));  // most calls with a trace are those of events
  CHECK(refused > 0);
}
