// SPDX-License-Identifier: Apache-2.0
// Random schedules on the double: sites, chunk sizes, staging, calls, delays, the order in which ranks call, aborts. A failing seed is printed:
// LH_GPU_FIRST_SEED=1234 LH_GPU_SCHEDULES=1 runs it again (threads are free to differ). LH_GPU_SCHEDULES=10000 runs long.
#include "base/random.h"
#include "gpu/gpu_loopback.h"
#include "support/elements.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;
using longhaul::Random;

namespace {

using Ints = std::vector<std::int32_t>;

std::size_t at(int index) { return static_cast<std::size_t>(index); }
std::int32_t value(std::uint64_t call, int rank, std::size_t i) { return static_cast<std::int32_t>(mix(call << 48 ^ i * 64 ^ at(rank)) >> 40); }

enum class What { AllReduce, ReduceScatter, AllGather, Broadcast, Barrier };

struct Call {
  What what;
  std::size_t count;
  int root;
  bool in_place;
  lhCodec_t codec;
  std::uint64_t number;
};

Call draw_call(Random* random, int ranks, std::uint64_t number) {
  const std::size_t limits[] = {1, 100, 5'000, 60'000};
  return {.what = static_cast<What>(random->below(5)),
          .count = random->below(limits[random->below(4)] + 1),
          .root = static_cast<int>(random->below(static_cast<std::uint64_t>(ranks))),
          .in_place = random->chance(0.5),
          .codec = random->chance(0.3) ? kAllCodecs[random->below(std::size(kAllCodecs))] : lhCodecNone,
          .number = number};
}

/// One rank's buffers in one call.
struct Buffers {
  std::int32_t* send = nullptr;
  std::int32_t* recv = nullptr;
  std::size_t recv_count = 0;
};

Buffers make_buffers(const Call& call, User* user, int rank, int ranks) {
  const bool scatter = call.what == What::ReduceScatter, gather = call.what == What::AllGather;
  const std::size_t send_count = scatter ? call.count * at(ranks) : call.count;
  Buffers b{.recv_count = gather ? call.count * at(ranks) : call.count};
  if (!call.in_place) {
    b.send = user->allocate<std::int32_t>(send_count);
    b.recv = user->allocate<std::int32_t>(b.recv_count);
  } else if (scatter) {
    b.send = user->allocate<std::int32_t>(send_count);
    b.recv = b.send + call.count * at(rank);
  } else {
    b.recv = user->allocate<std::int32_t>(b.recv_count);
    b.send = gather ? b.recv + call.count * at(rank) : b.recv;
  }
  for (std::size_t i = 0; i < send_count; ++i) b.send[i] = value(call.number, rank, i);
  return b;
}

lhResult_t issue(const Call& call, const Buffers& b, lhComm_t comm, lhStream_t stream, lhRequest_t* request) {
  const lhCallConfig_t config = call_with(call.codec);  // ignored: integers are exact
  switch (call.what) {
    case What::AllReduce:
      return lhAllReduceEx(b.send, b.recv, call.count, lhInt32, lhSum, &config, comm, stream, request);
    case What::ReduceScatter:
      return lhReduceScatter(b.send, b.recv, call.count, lhInt32, lhSum, comm, stream);
    case What::AllGather:
      return lhAllGather(b.send, b.recv, call.count, lhInt32, comm, stream);
    case What::Broadcast:
      return lhBroadcast(b.send, b.recv, call.count, lhInt32, call.root, comm, stream);
    case What::Barrier:
      return lhBarrier(comm, stream);
  }
  return lhInternalError;
}

std::int32_t expected_at(const Call& call, int rank, int ranks, std::size_t i) {
  if (call.what == What::AllGather) return value(call.number, static_cast<int>(i / call.count), i % call.count);
  if (call.what == What::Broadcast) return value(call.number, call.root, i);
  const std::size_t element = call.what == What::ReduceScatter ? call.count * at(rank) + i : i;
  std::int32_t sum = 0;
  for (int r = 0; r < ranks; ++r) sum += value(call.number, r, element);
  return sum;
}

void run_calls(Random* random, GpuJob* job) {
  std::vector<Call> calls;
  for (std::uint64_t n = 1 + random->below(6); calls.size() < n;) calls.push_back(draw_call(random, job->ranks(), calls.size()));
  std::vector<std::vector<Buffers>> buffers(at(job->ranks()));
  for (int rank = 0; rank < job->ranks(); ++rank)
    for (const Call& call : calls) buffers[at(rank)].push_back(make_buffers(call, &job->user(rank), rank, job->ranks()));
  std::vector<std::size_t> next(buffers.size(), 0);
  std::vector<lhRequest_t> requests;
  const int aborting = random->chance(0.1) ? static_cast<int>(random->below(next.size())) : -1;
  for (std::size_t left = calls.size() * next.size(); left > 0;) {
    const std::size_t rank = random->below(next.size());
    if (next[rank] == calls.size()) continue;
    lhRequest_t request = nullptr;
    const Call& call = calls[next[rank]];
    const lhResult_t result = issue(call, buffers[rank][next[rank]], job->comm(static_cast<int>(rank)), job->user(static_cast<int>(rank)).stream(),
                                    random->chance(0.5) ? &request : nullptr);
    if (aborting < 0) REQUIRE(result == lhSuccess);
    if (request) requests.push_back(request);
    ++next[rank];
    --left;
    if (static_cast<int>(rank) == aborting && random->chance(0.4)) lhCommAbort(job->comm(aborting));
  }
  for (const lhRequest_t request : requests) {
    const lhResult_t result = lhRequestWait(request);
    if (aborting < 0) CHECK(result == lhSuccess);
  }
  job->synchronize();
  for (int rank = 0; aborting < 0 && rank < job->ranks(); ++rank) {
    INFO("rank " << rank << ": " << lhGetLastError(job->comm(rank)));
    for (std::size_t c = 0; c < calls.size(); ++c) {
      std::size_t wrong = 0;
      if (calls[c].what == What::Barrier) continue;
      for (std::size_t i = 0; i < buffers[at(rank)][c].recv_count; ++i)
        wrong += buffers[at(rank)][c].recv[i] != expected_at(calls[c], rank, job->ranks(), i);
      INFO("call " << c << ", kind " << static_cast<int>(calls[c].what) << ", count " << calls[c].count);
      CHECK(wrong == 0);
    }
  }
}

}  // namespace

TEST_CASE("random schedules on GPUs", "[gpu]") {
  const std::vector<std::vector<int>> shapes{{1, 1}, {2, 2}, {2, 1}, {3, 2}, {1, 1, 1}, {3}, {1, 2, 1}};
  const char* wans[] = {"chunk=64KiB,staging=1MiB", "chunk=512KiB,staging=1MiB", "chunk=64KiB,staging=1MiB,emulate_rtt=1ms"};
  const std::uint64_t first = number_from("LH_GPU_FIRST_SEED", 1), schedules = number_from("LH_GPU_SCHEDULES", 150);
  for (std::uint64_t seed = first; seed < first + schedules; ++seed) {
    INFO("LH_GPU_FIRST_SEED=" << seed << " LH_GPU_SCHEDULES=1");
    Random random(seed);
    begin({.seed = seed, .devices = 16, .longest_delay_us = random.chance(0.5) ? 60 : 0, .in_progress = random.chance(0.5) ? 0.4 : 0});
    {
      GpuJob job(shapes[random.below(shapes.size())], wans[random.below(std::size(wans))]);
      INFO(job.outcome().text);
      REQUIRE(job.outcome().code == lhSuccess);
      run_calls(&random, &job);
    }
    REQUIRE(left_over() == "");
    REQUIRE(violations() == std::vector<std::string>{});
  }
}
