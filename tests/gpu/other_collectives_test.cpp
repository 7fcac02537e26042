// SPDX-License-Identifier: Apache-2.0
// Reduce-scatter, all-gather, broadcast, barrier and the rail scope on device memory, in and out of place, for sites of equal and of different size.
#include <numeric>

#include "gpu/gpu_loopback.h"
#include "support/elements.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }
using Ints = std::vector<std::int32_t>;
constexpr std::size_t kCount = 30'011;

std::int32_t value(int rank, std::size_t i) { return static_cast<std::int32_t>(mix(i * 64 + at(rank)) >> 40); }

Ints values(std::size_t count, int rank) {
  Ints all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = value(rank, i);
  return all;
}

std::int32_t sum_at(int ranks, std::size_t i) {
  std::int32_t sum = 0;
  for (int rank = 0; rank < ranks; ++rank) sum += value(rank, i);
  return sum;
}

template <typename Test>
void for_all_shapes(Test test) {
  for (const auto& sizes : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {1, 3}, {2}}) {
    begin({.seed = 3, .devices = 16, .longest_delay_us = 30, .in_progress = 0.3});
    {
      GpuJob job(sizes, "chunk=64KiB,staging=1MiB");
      INFO(job.outcome().text);
      REQUIRE(job.outcome().code == lhSuccess);
      test(&job);
    }
    CHECK(left_over() == "");
    CHECK(violations() == std::vector<std::string>{});
  }
}

}  // namespace

TEST_CASE("lhReduceScatter on GPUs, out of place and in place", "[gpu]") {
  for_all_shapes([](GpuJob* job) {
    const std::size_t all = kCount * at(job->ranks());
    for (const bool in_place : {false, true}) {
      std::vector<std::int32_t*> recv;
      for (int rank = 0; rank < job->ranks(); ++rank) {
        User& user = job->user(rank);
        auto* send = user.allocate<std::int32_t>(all);
        recv.push_back(in_place ? send + kCount * at(rank) : user.allocate<std::int32_t>(kCount));
        user.fill(send, values(all, rank));
        REQUIRE(lhReduceScatter(send, recv.back(), kCount, lhInt32, lhSum, job->comm(rank), user.stream()) == lhSuccess);
      }
      job->synchronize();
      for (int rank = 0; rank < job->ranks(); ++rank) {
        std::size_t wrong = 0;
        for (std::size_t i = 0; i < kCount; ++i) wrong += recv[at(rank)][i] != sum_at(job->ranks(), kCount * at(rank) + i);
        CHECK(wrong == 0);
      }
    }
  });
}

TEST_CASE("lhAllGather and lhBroadcast on GPUs", "[gpu]") {
  for_all_shapes([](GpuJob* job) {
    const std::size_t all = kCount * at(job->ranks());
    const int root = job->ranks() - 1;
    std::vector<std::int32_t*> gathered, copied;
    for (int rank = 0; rank < job->ranks(); ++rank) {
      User& user = job->user(rank);
      gathered.push_back(user.allocate<std::int32_t>(all));
      copied.push_back(user.allocate<std::int32_t>(kCount));
      const bool in_place = rank % 2 == 0;
      auto* send = in_place ? gathered.back() + kCount * at(rank) : user.allocate<std::int32_t>(kCount);
      user.fill(send, values(kCount, rank));
      if (rank == root) user.fill(copied.back(), values(kCount, 40));
      REQUIRE(lhAllGather(send, gathered.back(), kCount, lhInt32, job->comm(rank), user.stream()) == lhSuccess);
      REQUIRE(lhBroadcast(copied.back(), copied.back(), kCount, lhInt32, root, job->comm(rank), user.stream()) == lhSuccess);
      REQUIRE(lhBarrier(job->comm(rank), user.stream()) == lhSuccess);
    }
    job->synchronize();
    Ints expected;
    for (int rank = 0; rank < job->ranks(); ++rank) {
      const Ints part = values(kCount, rank);
      expected.insert(expected.end(), part.begin(), part.end());
    }
    for (int rank = 0; rank < job->ranks(); ++rank) {
      CHECK(std::memcmp(gathered[at(rank)], expected.data(), all * sizeof(std::int32_t)) == 0);
      CHECK(job->user(rank).read(copied[at(rank)], kCount) == values(kCount, 40));
    }
  });
}

TEST_CASE("the rail scope, requests, empty calls and 16-bit floats on GPUs", "[gpu]") {
  begin({.seed = 5, .devices = 16, .longest_delay_us = 30, .in_progress = 0.3});
  {
    GpuJob job({2, 2}, "chunk=64KiB,staging=1MiB");
    REQUIRE(job.outcome().code == lhSuccess);
    const lhCallConfig_t rail = call_with(lhCodecNone, lhScopeRail);
    std::vector<std::int32_t*> buffers;
    std::vector<std::uint16_t*> halves;
    std::vector<lhRequest_t> requests(4);
    for (int rank = 0; rank < 4; ++rank) {
      User& user = job.user(rank);
      buffers.push_back(user.allocate<std::int32_t>(kCount));
      halves.push_back(user.allocate<std::uint16_t>(kCount));
      user.fill(buffers.back(), values(kCount, rank));
      user.fill(halves.back(), std::vector<std::uint16_t>(kCount, static_cast<std::uint16_t>(rank % 2 ? 0x3c00 : 0x4000)));  // 1, 2
      REQUIRE(lhAllReduceEx(buffers.back(), buffers.back(), kCount, lhInt32, lhSum, &rail, job.comm(rank), user.stream(),
                            &requests[at(rank)]) == lhSuccess);
      REQUIRE(lhAllReduce(nullptr, nullptr, 0, lhInt32, lhSum, job.comm(rank), user.stream()) == lhSuccess);
      REQUIRE(lhAllReduce(halves.back(), halves.back(), kCount, lhFloat16, lhAvg, job.comm(rank), user.stream()) == lhSuccess);
    }
    const Watchdog watchdog("requests on GPUs");
    for (int rank = 0; rank < 4; ++rank) {
      REQUIRE(lhRequestWait(requests[at(rank)]) == lhSuccess);
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < kCount; ++i) wrong += buffers[at(rank)][i] != value(rank % 2, i) + value(rank % 2 + 2, i);
      CHECK(wrong == 0);
    }
    job.synchronize();
    for (int rank = 0; rank < 4; ++rank)
      CHECK(job.user(rank).read(halves[at(rank)], kCount) == std::vector<std::uint16_t>(kCount, 0x3e00));  // 1.5
    for (int rank = 0; rank < 4; ++rank) CHECK(stats_of(job.comm(rank)).operations == 3);
  }
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
}
