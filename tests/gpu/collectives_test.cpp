// SPDX-License-Identifier: Apache-2.0
// Collectives on device memory give what they give on host memory, to the bit, whatever the sites' sizes.
#include "gpu/gpu_loopback.h"
#include "support/elements.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// Small whole numbers: their sums are exact in any order.
std::vector<float> numbers(std::size_t count, int rank) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(static_cast<int>(mix(i * 64 + at(rank)) % 2001) - 1000);
  return values;
}

/// The same all-reduce on host memory.
std::vector<float> on_host(const std::vector<int>& sizes, const char* wan, std::size_t count, lhRedOp_t op, const lhCallConfig_t& config) {
  const Loopback job(sizes, wan);
  std::vector<std::vector<float>> results(at(job.ranks()), std::vector<float>(count));
  job.run_ok([&](int rank, lhComm_t comm) {
    return lhAllReduceEx(numbers(count, rank).data(), results[at(rank)].data(), count, lhFloat32, op, &config, comm, nullptr, nullptr);
  });
  return results[0];
}

}  // namespace

TEST_CASE("an all-reduce on GPUs is the one on the host, bit for bit, for every codec", "[gpu]") {
  for (const auto& sizes : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {2}}) {
    const char* wan = "chunk=64KiB,staging=1MiB";
    for (const lhCodec_t codec : kAllCodecs) {
      begin({.seed = 7, .devices = 16, .longest_delay_us = 50, .in_progress = 0.3});
      const lhCallConfig_t config = call_with(codec);
      const std::size_t count = 100'003;
      const std::vector<float> expected = on_host(sizes, wan, count, lhAvg, config);
      {
        GpuJob job(sizes, wan);
        INFO(job.outcome().text);
        REQUIRE(job.outcome().code == lhSuccess);
        std::vector<float*> send, recv;
        for (int rank = 0; rank < job.ranks(); ++rank) {
          send.push_back(job.user(rank).allocate<float>(count));
          recv.push_back(job.user(rank).allocate<float>(count));
          job.user(rank).fill(send.back(), numbers(count, rank));
        }
        for (int rank = 0; rank < job.ranks(); ++rank)
          REQUIRE(lhAllReduceEx(send[at(rank)], recv[at(rank)], count, lhFloat32, lhAvg, &config, job.comm(rank), job.user(rank).stream(), nullptr) ==
                  lhSuccess);
        job.synchronize();
        for (int rank = 0; rank < job.ranks(); ++rank) {
          INFO("sites " << sizes.size() << ", rank " << rank << ", codec " << codec << ": " << lhGetLastError(job.comm(rank)));
          CHECK(std::memcmp(recv[at(rank)], expected.data(), count * sizeof(float)) == 0);
          CHECK(job.user(rank).read(send[at(rank)], count) == numbers(count, rank));
          CHECK((stats_of(job.comm(rank)).gpuChunks > 0) == (codec != lhCodecNone && sizes.size() > 1));
        }
      }
      CHECK(left_over() == "");
      CHECK(violations() == std::vector<std::string>{});
    }
  }
}
