// SPDX-License-Identifier: Apache-2.0
// Ranks that disagree about a call: lhInvalidUsage on every rank with a text that names a rank. Nobody hangs, nobody
// gets numbers; the default deadline of 60 s is also the watchdog's, so waiting for it fails too.
#include <functional>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

struct Buffers {
  std::vector<double> send = std::vector<double>(20000, 1.0);
  std::vector<double> recv = std::vector<double>(20000);
};
using Call = std::function<lhResult_t(lhComm_t, Buffers*)>;

Call reduce(std::size_t count, lhDataType_t type, lhRedOp_t op, lhCodec_t codec = lhCodecNone,
            lhScope_t scope = lhScopeGlobal) {
  return [=](lhComm_t comm, Buffers* b) {
    const lhCallConfig_t config = call_with(codec, scope);
    return lhAllReduceEx(b->send.data(), b->recv.data(), count, type, op, &config, comm, nullptr, nullptr);
  };
}
Call broadcast(std::size_t count, int root) {
  return [=](lhComm_t comm, Buffers* b) {
    return lhBroadcast(b->send.data(), b->recv.data(), count, lhFloat32, root, comm, nullptr);
  };
}
Call scatter(std::size_t count) {
  return [=](lhComm_t comm, Buffers* b) {
    return lhReduceScatter(b->send.data(), b->recv.data(), count, lhFloat32, lhSum, comm, nullptr);
  };
}
Call gather(std::size_t count) {
  return [=](lhComm_t comm, Buffers* b) {
    return lhAllGather(b->send.data(), b->recv.data(), count, lhFloat32, comm, nullptr);
  };
}
Call barrier() {
  return [](lhComm_t comm, Buffers*) { return lhBarrier(comm, nullptr); };
}
Call both(Call first, Call second) {
  return [=](lhComm_t comm, Buffers* b) {
    const lhResult_t result = first(comm, b);
    return result == lhSuccess ? second(comm, b) : result;
  };
}

void check_mismatch(const std::vector<int>& shape, const char* what, int odd_rank, const Call& usual, const Call& odd) {
  const Loopback job(shape);
  std::vector<Buffers> buffers(static_cast<std::size_t>(job.ranks()));
  const std::vector<Outcome> outcomes = job.run([&](int rank, lhComm_t comm) {
    return (rank == odd_rank ? odd : usual)(comm, &buffers[static_cast<std::size_t>(rank)]);
  });
  for (int rank = 0; rank < job.ranks(); ++rank) {
    const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
    INFO(what << " on " << job.name() << ", rank " << odd_rank << " differs; rank " << rank << ": " << outcome.text);
    CHECK(outcome.code == lhInvalidUsage);
    CHECK(contains(outcome.text, "rank "));
    CHECK(contains(outcome.text, "of site"));
    lhResult_t state = lhSuccess;
    CHECK(lhCommGetAsyncError(job[rank], &state) == lhSuccess);
    CHECK(state == lhInvalidUsage);
    float one = 1, sum = 0;
    CHECK(lhAllReduce(&one, &sum, 1, lhFloat32, lhSum, job[rank], nullptr) == lhInvalidUsage);
  }
}

void check_everywhere(const char* what, const Call& usual, const Call& odd) {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {1, 1, 1}, {3}}) {
    int ranks = 0;
    for (const int size : shape) ranks += size;
    for (const int odd_rank : {0, ranks - 1}) check_mismatch(shape, what, odd_rank, usual, odd);
  }
}

}  // namespace

TEST_CASE("Another count", "[integration][loopback]") {
  check_everywhere("small", reduce(1000, lhFloat32, lhSum), reduce(1001, lhFloat32, lhSum));
  check_everywhere("large", reduce(20000, lhFloat64, lhSum), reduce(10, lhFloat64, lhSum));
  check_everywhere("none", reduce(1000, lhFloat32, lhSum), reduce(0, lhFloat32, lhSum));
  check_everywhere("scatter", scatter(500), scatter(501));
  check_everywhere("gather", gather(500), gather(499));
  check_everywhere("broadcast", broadcast(500, 0), broadcast(499, 0));
}

TEST_CASE("Another data type", "[integration][loopback]") {
  check_everywhere("other size", reduce(1000, lhFloat32, lhSum), reduce(1000, lhFloat64, lhSum));
  check_everywhere("same size", reduce(1000, lhFloat32, lhSum), reduce(1000, lhInt32, lhSum));
  check_everywhere("16 bits", reduce(1000, lhBfloat16, lhSum), reduce(1000, lhFloat16, lhSum));
}

TEST_CASE("Another reduction", "[integration][loopback]") {
  check_everywhere("max", reduce(1000, lhFloat32, lhSum), reduce(1000, lhFloat32, lhMax));
  check_everywhere("avg", reduce(1000, lhFloat32, lhSum), reduce(1000, lhFloat32, lhAvg));
}

TEST_CASE("Another root", "[integration][loopback]") {
  check_everywhere("root", broadcast(1000, 0), broadcast(1000, 1));
}

TEST_CASE("Another codec", "[integration][loopback]") {
  check_everywhere("bf16", reduce(1000, lhFloat32, lhSum), reduce(1000, lhFloat32, lhSum, lhCodecBf16));
  check_everywhere("i8", reduce(1000, lhFloat32, lhSum, lhCodecBf16), reduce(1000, lhFloat32, lhSum, lhCodecI8));
}

TEST_CASE("Another scope", "[integration][loopback]") {
  check_everywhere("scope", reduce(1000, lhFloat32, lhSum), reduce(1000, lhFloat32, lhSum, lhCodecNone, lhScopeRail));
}

TEST_CASE("Another collective", "[integration][loopback]") {
  check_everywhere("gather", reduce(1000, lhFloat32, lhSum), gather(1000));
  check_everywhere("scatter", reduce(1000, lhFloat32, lhSum), scatter(1000));
  check_everywhere("broadcast", gather(1000), broadcast(1000, 0));
  check_everywhere("barrier", reduce(1000, lhFloat32, lhSum), barrier());
  check_everywhere("finalize", barrier(), [](lhComm_t comm, Buffers*) { return lhCommFinalize(comm); });
}

TEST_CASE("Another order", "[integration][loopback]") {
  const Call small = reduce(10, lhInt64, lhMax), large = reduce(5000, lhFloat32, lhSum);
  check_everywhere("order", both(small, large), both(large, small));
}
