// SPDX-License-Identifier: Apache-2.0
// What people hit first: no GPU, the wrong GPU, the wrong kind of memory, a captured stream, a GPU used twice. And that the communicator is as good
// as before where the interface says so.
#include "gpu/gpu_loopback.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;

namespace {

Outcome init(std::vector<int> sizes, int device) {
  std::vector<lhComm_t> comms(8);
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.device = device;
  const lhResult_t code = lhCommInitLoopback(comms.data(), sizes.data(), static_cast<int>(sizes.size()), &config);
  for (const lhComm_t comm : comms) CHECK((code == lhSuccess || comm == nullptr));
  return {code, lhGetLastError(nullptr)};
}

}  // namespace

TEST_CASE("a machine without GPUs, with too few, or with too old an NCCL says so", "[gpu]") {
  begin({.no_driver = true});
  Outcome outcome = init({1, 1}, 0);
  CHECK(outcome.code == lhUnhandledCudaError);
  CHECK(contains(outcome.text, "no CUDA-capable device is detected"));
  begin({.devices = 2});
  outcome = init({1, 1}, 2);
  CHECK(outcome.code == lhInvalidArgument);
  CHECK(contains(outcome.text, "device 2 does not exist: this process sees 2 GPUs"));
  begin({.devices = 4, .nccl_version = 21805});
  outcome = init({2, 2}, 0);
  CHECK(outcome.code == lhUnsupported);
  CHECK(contains(outcome.text, "NCCL 2.18.5 is too old: 2.19.0 or newer is needed"));
  CHECK(left_over() == "");
}

TEST_CASE("two ranks of a site on one GPU are refused, unless NCCL is told to share it", "[gpu]") {
  begin({.devices = 2, .one_gpu = true});
  const Outcome outcome = init({2}, 0);
  CHECK(outcome.code == lhInvalidUsage);
  CHECK(contains(outcome.text, "rank 0 and rank 1 of site site0 use the same GPU"));
  CHECK(contains(outcome.text, "NCCL_MULTI_RANK_GPU_ENABLE=1"));
  CHECK(left_over() == "");
  ::setenv("NCCL_MULTI_RANK_GPU_ENABLE", "1", 1);
  {
    const GpuJob job({2, 2}, nullptr, 2);
    CHECK(job.outcome().code == lhSuccess);
  }
  ::unsetenv("NCCL_MULTI_RANK_GPU_ENABLE");
  CHECK(left_over() == "");
}

TEST_CASE("memory of the wrong kind and captured streams are refused, and the communicator goes on", "[gpu]") {
  begin({.devices = 2});
  {
    GpuJob job({1, 1});
    REQUIRE(job.outcome().code == lhSuccess);
    int device = -1;
    CHECK(lhCommCuDevice(job.comm(1), &device) == lhSuccess);
    CHECK(device == 1);
    User& user = job.user(0);
    std::vector<float> host(8);
    auto* right = user.allocate<float>(8);
    auto* foreign = job.user(1).allocate<float>(8);
    const auto refused = [&](const float* send, float* recv, lhResult_t code, const char* text) {
      CHECK(lhAllReduce(send, recv, 8, lhFloat32, lhSum, job.comm(0), user.stream()) == code);
      CHECK(contains(lhGetLastError(job.comm(0)), text));
    };
    refused(host.data(), right, lhInvalidArgument, "send is host memory, but this communicator works on GPU 0");
    refused(right, host.data(), lhInvalidArgument, "recv is host memory");
    refused(right, foreign, lhInvalidArgument, "recv is memory of GPU 1, but this communicator works on GPU 0");
    set_capturing(user.stream(), true);
    refused(right, right, lhUnsupported, "the stream is being captured into a graph");
    set_capturing(user.stream(), false);
    for (int rank = 0; rank < 2; ++rank) {
      auto* buffer = job.user(rank).allocate<float>(8);
      job.user(rank).fill(buffer, std::vector<float>(8, 2.0F));
      REQUIRE(lhAllReduce(buffer, buffer, 8, lhFloat32, lhSum, job.comm(rank), job.user(rank).stream()) == lhSuccess);
      if (rank == 1) job.synchronize();
      if (rank == 1) CHECK(job.user(1).read(buffer, 8) == std::vector<float>(8, 4.0F));
    }
    CHECK(stats_of(job.comm(0)).failedOperations == 0);
    CHECK(stats_of(job.comm(0)).peakMemoryBytes >= 64 << 20);

    const Loopback on_host({1, 1});
    CHECK(lhAllReduce(right, right, 8, lhFloat32, lhSum, on_host[0], nullptr) == lhInvalidArgument);
    CHECK(contains(lhGetLastError(on_host[0]), "send is GPU memory, but this communicator works on host memory"));
    on_host.check_alive();
  }
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
}

TEST_CASE("calls that differ inside a site on GPUs end as such, and NCCL never sees them", "[gpu]") {
  begin({.devices = 16});
  {
    GpuJob job({2, 2});
    REQUIRE(job.outcome().code == lhSuccess);
    std::vector<lhRequest_t> requests(4);
    for (int rank = 0; rank < 4; ++rank) pause(job.user(rank).stream());  // all have called before the first notices
    for (int rank = 0; rank < 4; ++rank) {
      const std::size_t count = rank == 1 ? 5000 : 4000;
      auto* buffer = job.user(rank).allocate<float>(count);
      REQUIRE(lhAllReduceEx(buffer, buffer, count, lhFloat32, lhSum, nullptr, job.comm(rank), job.user(rank).stream(),
                            &requests[static_cast<std::size_t>(rank)]) == lhSuccess);
    }
    for (int rank = 0; rank < 4; ++rank) resume(job.user(rank).stream());
    const Watchdog watchdog("calls that differ");
    for (const lhRequest_t request : requests) {
      CHECK(lhRequestWait(request) == lhInvalidUsage);
    }
    CHECK(contains(lhGetLastError(job.comm(0)), "count"));
    job.synchronize();
  }
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
}
