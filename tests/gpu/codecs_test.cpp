// SPDX-License-Identifier: Apache-2.0
// Codecs as kernels: random calls with codecs on GPUs give what they give on host memory, bit for bit, with what codecs refuse, with error feedback
// and whatever the sites' sizes. The double runs the kernels' source. Seeds as in schedules_test.cpp.
#include <optional>

#include "base/random.h"
#include "gpu/gpu_loopback.h"
#include "kernels/reduce.h"
#include "support/elements.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;
using longhaul::Random;

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }
using Bytes = std::vector<std::byte>;

struct Call {
  std::size_t count;
  lhDataType_t type;
  lhRedOp_t op;
  lhCallConfig_t config;
  bool in_place;
  float special;  ///< of one element at rank 0, where not 0
};

Call draw_call(Random* random, std::uint64_t number) {
  const std::size_t limits[] = {1, 100, 5'000, 60'000};
  const lhDataType_t types[] = {lhFloat32, lhFloat32, lhBfloat16, lhFloat16};
  Call call{.count = random->below(limits[random->below(4)] + 1),
            .type = types[random->below(4)],
            .op = random->chance(0.5) ? lhSum : lhAvg,
            .config = call_with(kAllCodecs[random->below(std::size(kAllCodecs))]),
            .in_place = random->chance(0.5),
            .special = 0};
  if (random->chance(0.2)) call.special = random->chance(0.5) ? HUGE_VALF : 0x1p112F;  // what fp16 makes an infinity of, too
  if (random->chance(0.4)) {
    call.config.errorFeedback = 1;
    call.config.tag = number + 1;
  }
  return call;
}

/// A tag is of calls with one layout: the one before, once more.
std::vector<Call> draw_calls(Random* random) {
  std::vector<Call> calls;
  for (std::uint64_t n = 1 + random->below(5); calls.size() < n;)
    calls.push_back(!calls.empty() && random->chance(0.3) ? calls.back() : draw_call(random, calls.size()));
  return calls;
}

/// Whole numbers whose sums fit 16-bit floats: a site's sum is the same in whatever order and width.
Bytes values(const Call& call, std::size_t number, int rank) {
  std::vector<float> floats(call.count);
  for (std::size_t i = 0; i < call.count; ++i) floats[i] = static_cast<float>(static_cast<int>(mix(number << 48 ^ i * 64 ^ at(rank)) % 17) - 8);
  if (rank == 0 && call.special != 0 && call.count > 0) floats[call.count / 2] = call.special;
  Bytes bytes(call.count * longhaul::kernels::size_of(call.type));
  longhaul::kernels::from_float(bytes.data(), floats.data(), call.count, call.type, 1);
  if (call.type == lhFloat32 && !bytes.empty()) std::memcpy(bytes.data(), floats.data(), bytes.size());
  return bytes;
}

/// [call][rank]
using Results = std::vector<std::vector<Bytes>>;

Results on_host(const std::vector<Call>& calls, const std::vector<int>& sizes, const char* wan) {
  const Loopback job(sizes, wan);
  Results results(calls.size(), std::vector<Bytes>(at(job.ranks())));
  job.run_ok([&](int rank, lhComm_t comm) {
    for (std::size_t c = 0; c < calls.size(); ++c) {
      Bytes& buffer = results[c][at(rank)] = values(calls[c], c, rank);
      const lhResult_t result = lhAllReduceEx(buffer.data(), buffer.data(), calls[c].count, calls[c].type, calls[c].op, &calls[c].config, comm, nullptr,
                                              nullptr);
      if (result != lhSuccess) return result;
    }
    return lhSuccess;
  });
  return results;
}

void run_calls(Random* random, const std::vector<Call>& calls, const Results& expected, GpuJob* job) {
  std::vector<std::vector<std::byte*>> recv(at(job->ranks()));
  std::vector<std::vector<const std::byte*>> send(at(job->ranks()));
  for (int rank = 0; rank < job->ranks(); ++rank) {
    for (std::size_t c = 0; c < calls.size(); ++c) {
      const Bytes bytes = values(calls[c], c, rank);
      recv[at(rank)].push_back(job->user(rank).allocate<std::byte>(bytes.size()));
      std::byte* from = calls[c].in_place ? recv[at(rank)].back() : job->user(rank).allocate<std::byte>(bytes.size());
      std::copy(bytes.begin(), bytes.end(), from);
      send[at(rank)].push_back(from);
    }
  }
  std::vector<std::size_t> next(recv.size(), 0);
  for (std::size_t left = calls.size() * next.size(); left > 0;) {
    const std::size_t rank = random->below(next.size()), c = next[rank];
    if (c == calls.size()) continue;
    REQUIRE(lhAllReduceEx(send[rank][c], recv[rank][c], calls[c].count, calls[c].type, calls[c].op, &calls[c].config, job->comm(static_cast<int>(rank)),
                          job->user(static_cast<int>(rank)).stream(), nullptr) == lhSuccess);
    ++next[rank];
    --left;
  }
  job->synchronize();
  for (int rank = 0; rank < job->ranks(); ++rank) {
    for (std::size_t c = 0; c < calls.size(); ++c) {
      INFO("rank " << rank << ", call " << c << " of " << calls.size() << ": " << calls[c].count << " of type " << calls[c].type << ", codec "
                   << calls[c].config.codec << ", special " << calls[c].special << ", tag " << calls[c].config.tag << ": "
                   << lhGetLastError(job->comm(rank)));
      const Bytes& right = expected[c][at(rank)];
      CHECK(std::equal(right.begin(), right.end(), recv[at(rank)][c]));
    }
  }
}

}  // namespace

TEST_CASE("random schedules with codecs on GPUs give the bits of host memory", "[gpu]") {
  const std::vector<std::vector<int>> shapes{{1, 1}, {2, 2}, {2, 1}, {3, 2}, {1, 1, 1}, {1, 2, 1}};
  const char* wans[] = {"chunk=64KiB,staging=1MiB", "chunk=512KiB,staging=1MiB", "chunk=64KiB,staging=1MiB,emulate_rtt=1ms"};
  const std::uint64_t first = number_from("LH_GPU_FIRST_SEED", 1), schedules = number_from("LH_GPU_SCHEDULES", 100);
  std::uint64_t by_kernels = 0;
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    INFO("LH_GPU_FIRST_SEED=" << seed << " LH_GPU_SCHEDULES=1");
    Random random(seed);
    begin({.seed = seed, .devices = 16, .longest_delay_us = random.chance(0.5) ? 60 : 0, .in_progress = random.chance(0.5) ? 0.4 : 0});
    const std::vector<Call> calls = draw_calls(&random);
    const auto& sizes = shapes[random.below(shapes.size())];
    const char* wan = wans[random.below(std::size(wans))];
    const Results expected = on_host(calls, sizes, wan);
    {
      GpuJob job(sizes, wan);
      INFO(job.outcome().text);
      REQUIRE(job.outcome().code == lhSuccess);
      run_calls(&random, calls, expected, &job);
      by_kernels += stats_of(job.comm(0)).gpuChunks;
    }
    REQUIRE(left_over() == "");
    REQUIRE(violations() == std::vector<std::string>{});
  }
  if (schedules >= 20) CHECK(by_kernels > 0);
}

TEST_CASE("kernels that are for other GPUs leave the codecs to the CPU", "[gpu]") {
  Random random(3);
  const std::vector<Call> calls{{70'000, lhFloat32, lhSum, call_with(lhCodecR4), true, 0}};
  begin({.devices = 4, .other_kernels = true});
  const Results expected = on_host(calls, {2, 2}, nullptr);
  {
    GpuJob job({2, 2});
    REQUIRE(job.outcome().code == lhSuccess);
    run_calls(&random, calls, expected, &job);
    CHECK(stats_of(job.comm(0)).gpuChunks == 0);
  }
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
}
