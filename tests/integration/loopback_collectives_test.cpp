// SPDX-License-Identifier: Apache-2.0
// Every collective with every data type and reduction on site shapes of every kind, against the reference of
// support/elements.h; results bit-identical on all ranks, inputs untouched, in and out of place.
#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

const std::vector<std::vector<int>> kShapes{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {1}, {3}};
const std::vector<std::size_t> kCounts{0, 1, 7, 1023, 1024, 1025, 100003};
/// Of the shapes whose buffers hold one part for every rank.
const std::vector<std::size_t> kPartCounts{0, 1, 7, 1023, 1024, 1025, 20011};
const std::vector<lhDataType_t> kTypes{lhInt8,   lhUint8,   lhInt32,   lhUint32,  lhInt64,
                                       lhUint64, lhFloat16, lhFloat32, lhFloat64, lhBfloat16};
const std::vector<lhRedOp_t> kOps{lhSum, lhProd, lhMax, lhMin, lhAvg};

std::size_t at(int index) { return static_cast<std::size_t>(index); }
/// Half of the combinations run in place.
bool in_place_too(std::size_t count, lhDataType_t type, lhRedOp_t op) {
  return (count + static_cast<std::size_t>(type) + static_cast<std::size_t>(op)) % 2 == 0;
}
/// A pointer into an empty vector is null, and that is legal for a count of 0.
std::byte* offset(Buffer& buffer, std::size_t bytes) { return buffer.empty() ? nullptr : buffer.data() + bytes; }

std::vector<Buffer> make_inputs(const Loopback& job, lhDataType_t type, lhRedOp_t op, std::size_t count) {
  std::vector<Buffer> inputs;
  for (int rank = 0; rank < job.ranks(); ++rank) inputs.push_back(make_input(type, op, count, rank));
  return inputs;
}

std::vector<Buffer> make_outputs(const Loopback& job, lhDataType_t type, std::size_t count) {
  return std::vector<Buffer>(at(job.ranks()), Buffer(count * size_of(type), std::byte{0xa5}));
}

void check_equal(const std::vector<Buffer>& results) {
  for (std::size_t rank = 1; rank < results.size(); ++rank) {
    INFO("rank " << rank << " differs from rank 0");
    CHECK((results[rank] == results[0]));
  }
}

void check_all_reduce(const Loopback& job, lhDataType_t type, lhRedOp_t op, std::size_t count, bool in_place) {
  INFO("all-reduce, type " << type << ", op " << op << ", count " << count << ", in place " << in_place);
  std::vector<Buffer> inputs = make_inputs(job, type, op, count), sent = inputs;
  std::vector<Buffer> results = in_place ? inputs : make_outputs(job, type, count);
  job.run_ok([&](int rank, lhComm_t comm) {
    const void* send = in_place ? results[at(rank)].data() : sent[at(rank)].data();
    return lhAllReduce(send, results[at(rank)].data(), count, type, op, comm, nullptr);
  });
  CHECK((sent == inputs));
  CHECK(count_wrong(type, op, results[0].data(), count, inputs) == 0);
  check_equal(results);
}

void check_reduce_scatter(const Loopback& job, lhDataType_t type, lhRedOp_t op, std::size_t count, bool in_place) {
  INFO("reduce-scatter, type " << type << ", op " << op << ", count " << count << ", in place " << in_place);
  std::vector<Buffer> inputs = make_inputs(job, type, op, count * at(job.ranks())), sent = inputs;
  std::vector<Buffer> results = make_outputs(job, type, count);
  const std::size_t part = count * size_of(type);
  job.run_ok([&](int rank, lhComm_t comm) {
    Buffer& send = sent[at(rank)];
    void* recv = in_place ? offset(send, at(rank) * part) : results[at(rank)].data();
    return lhReduceScatter(send.data(), recv, count, type, op, comm, nullptr);
  });
  for (int rank = 0; rank < job.ranks(); ++rank) {
    INFO("rank " << rank);
    const std::byte* got = in_place ? offset(sent[at(rank)], at(rank) * part) : results[at(rank)].data();
    CHECK(count_wrong(type, op, got, count, inputs, at(rank) * count) == 0);
  }
  if (!in_place) CHECK((sent == inputs));
}

void check_all_gather(const Loopback& job, lhDataType_t type, std::size_t count, bool in_place) {
  INFO("all-gather, type " << type << ", count " << count << ", in place " << in_place);
  std::vector<Buffer> inputs = make_inputs(job, type, lhSum, count), sent = inputs;
  std::vector<Buffer> results = make_outputs(job, type, count * at(job.ranks()));
  const std::size_t part = count * size_of(type);
  Buffer expected;
  for (const Buffer& input : inputs) expected.insert(expected.end(), input.begin(), input.end());
  job.run_ok([&](int rank, lhComm_t comm) {
    Buffer& result = results[at(rank)];
    std::byte* own = offset(result, at(rank) * part);
    if (in_place) std::copy(inputs[at(rank)].begin(), inputs[at(rank)].end(), own);
    return lhAllGather(in_place ? own : sent[at(rank)].data(), result.data(), count, type, comm, nullptr);
  });
  for (int rank = 0; rank < job.ranks(); ++rank) {
    INFO("rank " << rank);
    CHECK((results[at(rank)] == expected));
  }
  CHECK((sent == inputs));
}

void check_broadcast(const Loopback& job, lhDataType_t type, std::size_t count, int root, bool in_place) {
  INFO("broadcast, type " << type << ", count " << count << ", root " << root << ", in place " << in_place);
  std::vector<Buffer> inputs = make_inputs(job, type, lhSum, count), sent = inputs;
  std::vector<Buffer> results = make_outputs(job, type, count);
  if (in_place) results[at(root)] = inputs[at(root)];
  job.run_ok([&](int rank, lhComm_t comm) {
    const void* send = in_place ? results[at(rank)].data() : sent[at(rank)].data();
    // Only the root's send is read: elsewhere it may be null.
    if (!in_place && rank != root && rank % 2 == 0) send = nullptr;
    return lhBroadcast(send, results[at(rank)].data(), count, type, root, comm, nullptr);
  });
  for (int rank = 0; rank < job.ranks(); ++rank) {
    INFO("rank " << rank);
    CHECK((results[at(rank)] == inputs[at(root)]));
  }
  CHECK((sent == inputs));
}

}  // namespace

TEST_CASE("lhAllReduce: every type, reduction, count and site shape", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    const Loopback job(shape);
    INFO(job.name());
    for (const std::size_t count : kCounts)
      for (const lhDataType_t type : kTypes)
        for (const lhRedOp_t op : kOps) check_all_reduce(job, type, op, count, in_place_too(count, type, op));
  }
}

TEST_CASE("lhReduceScatter: every type, reduction, count and site shape", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    const Loopback job(shape);
    INFO(job.name());
    for (const std::size_t count : kPartCounts)
      for (const lhDataType_t type : kTypes)
        for (const lhRedOp_t op : kOps) check_reduce_scatter(job, type, op, count, in_place_too(count, type, op));
  }
}

TEST_CASE("lhAllGather and lhBroadcast: every type, count, root and site shape", "[integration][loopback]") {
  for (const auto& shape : kShapes) {
    const Loopback job(shape);
    INFO(job.name());
    for (const std::size_t count : kPartCounts) {
      for (const lhDataType_t type : kTypes) {
        for (const bool in_place : {false, true}) {
          check_all_gather(job, type, count, in_place);
          check_broadcast(job, type, count, (static_cast<int>(type) + in_place) % job.ranks(), in_place);
        }
      }
    }
    for (int root = 0; root < job.ranks(); ++root) check_broadcast(job, lhFloat32, 100003, root, false);
  }
}

TEST_CASE("Questions about a communicator", "[integration][loopback]") {
  const Loopback job({3, 2});
  for (int rank = 0; rank < job.ranks(); ++rank) {
    int count = 0, own = -1, sites = 0, site = -1, size = 0, site_rank = -1, device = 0;
    REQUIRE(lhCommCount(job[rank], &count) == lhSuccess);
    REQUIRE(lhCommUserRank(job[rank], &own) == lhSuccess);
    REQUIRE(lhCommSiteCount(job[rank], &sites) == lhSuccess);
    REQUIRE(lhCommSite(job[rank], &site) == lhSuccess);
    REQUIRE(lhCommSiteSize(job[rank], &size) == lhSuccess);
    REQUIRE(lhCommSiteRank(job[rank], &site_rank) == lhSuccess);
    REQUIRE(lhCommCuDevice(job[rank], &device) == lhSuccess);
    CHECK(count == 5);
    CHECK(own == rank);
    CHECK(sites == 2);
    CHECK(site == (rank < 3 ? 0 : 1));
    CHECK(size == (rank < 3 ? 3 : 2));
    CHECK(site_rank == (rank < 3 ? rank : rank - 3));
    CHECK(device == -1);
  }
}

TEST_CASE("What a rank still sends after its own call is done is counted, too", "[integration][loopback]") {
  const Loopback job({1, 1}, "emulate_rtt=2ms,emulate_rate=1gbit");
  const std::size_t count = 1 << 22;
  std::vector<std::vector<float>> buffers(2, std::vector<float>(count, 1.0F));
  job.run_ok([&](int rank, lhComm_t comm) {
    if (rank == 0) std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the other's part is here before: this rank is done first
    float* mine = buffers[static_cast<std::size_t>(rank)].data();
    return lhAllReduce(mine, mine, count, lhFloat32, lhSum, comm, nullptr);
  });
  const Watchdog watchdog("bytes that were sent are counted");
  lhStats_t stats = LH_STATS_INITIALIZER;
  lhResult_t asked = lhSuccess;
  while (asked == lhSuccess && stats.wanBytesSent < count * sizeof(float)) {
    asked = lhCommGetStats(job[0], &stats);
    std::this_thread::yield();
  }
  CHECK(asked == lhSuccess);
  CHECK(stats.operations == 1);
}
