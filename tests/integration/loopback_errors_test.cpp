// SPDX-License-Identifier: Apache-2.0
// Calls that are refused: the code, a piece of the text, and a communicator that goes on working. Null pointers
// everywhere.
#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

float g_memory[64];
lhStream_t const kSomeStream = reinterpret_cast<lhStream_t>(g_memory);

void check_refused(lhComm_t comm, lhResult_t got, lhResult_t expected, const char* part) {
  const std::string own = lhGetLastError(comm), thread = lhGetLastError(nullptr);
  INFO("expected '" << part << "' in the text '" << own << "'");
  CHECK(got == expected);
  CHECK(contains(own, part));
  CHECK(thread == own);
  lhResult_t state = lhInternalError;
  CHECK(lhCommGetAsyncError(comm, &state) == lhSuccess);
  CHECK(state == lhSuccess);
}

lhResult_t reduce_with(lhComm_t comm, const lhCallConfig_t& config) {
  lhRequest_t request = reinterpret_cast<lhRequest_t>(g_memory);
  const lhResult_t result = lhAllReduceEx(g_memory, g_memory, 4, lhFloat32, lhSum, &config, comm, nullptr, &request);
  CHECK(request == nullptr);
  return result;
}

template <typename T>
T bad(int value) {
  return static_cast<T>(value);
}

}  // namespace

TEST_CASE("Refused arguments name the mistake and leave the communicator usable", "[integration][loopback]") {
  const Loopback job({2, 1});
  lhComm_t c = job[1];
  float *f = g_memory, *g = g_memory + 32;
  const lhResult_t wrong = lhInvalidArgument;
  check_refused(c, lhAllReduce(nullptr, g, 4, lhFloat32, lhSum, c, nullptr), wrong, "send is NULL");
  check_refused(c, lhAllReduce(f, nullptr, 4, lhFloat32, lhSum, c, nullptr), wrong, "recv is NULL");
  check_refused(c, lhAllReduce(f, g, 4, bad<lhDataType_t>(10), lhSum, c, nullptr), wrong, "data type 10");
  check_refused(c, lhAllReduce(f, g, 4, bad<lhDataType_t>(-1), lhSum, c, nullptr), wrong, "data type");
  check_refused(c, lhAllReduce(f, g, 4, lhFloat32, bad<lhRedOp_t>(5), c, nullptr), wrong, "reduction 5");
  check_refused(c, lhAllReduce(f, g, 4, lhFloat32, bad<lhRedOp_t>(-1), c, nullptr), wrong, "reduction");
  check_refused(c, lhAllReduce(f, g, 4, lhFloat32, lhSum, c, kSomeStream), wrong, "stream");
  check_refused(c, lhAllReduce(f, g, SIZE_MAX / 2, lhFloat32, lhSum, c, nullptr), wrong, "count");
  check_refused(c, lhAllReduce(f, f + 1, 4, lhFloat32, lhSum, c, nullptr), wrong, "overlap");
  const auto odd = reinterpret_cast<std::uintptr_t>(f) + 2;
  check_refused(c, lhAllReduce(reinterpret_cast<void*>(odd), g, 4, lhFloat32, lhSum, c, nullptr), wrong, "aligned");
  check_refused(c, lhAllReduce(f, reinterpret_cast<void*>(odd + 100), 4, lhFloat32, lhSum, c, nullptr), wrong,
                "aligned");

  check_refused(c, lhReduceScatter(nullptr, g, 4, lhFloat32, lhSum, c, nullptr), wrong, "send is NULL");
  check_refused(c, lhReduceScatter(f, f, 4, lhFloat32, lhSum, c, nullptr), wrong, "overlap");  // rank 0's place
  check_refused(c, lhAllGather(f, nullptr, 4, lhFloat32, c, nullptr), wrong, "recv is NULL");
  check_refused(c, lhAllGather(f, f, 4, lhFloat32, c, nullptr), wrong, "overlap");
  check_refused(c, lhBroadcast(f, g, 4, lhFloat32, 3, c, nullptr), wrong, "root 3");
  check_refused(c, lhBroadcast(f, g, 4, lhFloat32, -1, c, nullptr), wrong, "root -1");
  check_refused(c, lhBroadcast(nullptr, g, 4, lhFloat32, 1, c, nullptr), wrong, "send is NULL");
  check_refused(c, lhBarrier(c, kSomeStream), wrong, "stream");

  job.check_alive();
  CHECK(stats_of(c).failedOperations == 0);
  CHECK(stats_of(c).operations == 1);
}

TEST_CASE("Refused call configurations", "[integration][loopback]") {
  const Loopback job({1, 1});
  lhComm_t c = job[0];
  lhCallConfig_t config = LH_CALL_CONFIG_INITIALIZER;
  config.magic = 0;
  check_refused(c, reduce_with(c, config), lhInvalidArgument, "LH_CALL_CONFIG_INITIALIZER");
  config = LH_CALL_CONFIG_INITIALIZER;
  config.size = 8;
  check_refused(c, reduce_with(c, config), lhInvalidArgument, "LH_CALL_CONFIG_INITIALIZER");
  check_refused(c, reduce_with(c, call_with(bad<lhCodec_t>(8))), lhInvalidArgument, "codec 8");
  check_refused(c, reduce_with(c, call_with(bad<lhCodec_t>(-1))), lhInvalidArgument, "codec");
  check_refused(c, reduce_with(c, call_with(lhCodecNone, bad<lhScope_t>(3))), lhInvalidArgument, "scope 3");
  config = LH_CALL_CONFIG_INITIALIZER;
  config.errorFeedback = 1;
  check_refused(c, reduce_with(c, config), lhInvalidArgument, "errorFeedback needs a tag");
  config.tag = 7;
  config.errorFeedback = 2;
  check_refused(c, reduce_with(c, config), lhInvalidArgument, "errorFeedback is 2");
  job.check_alive();
  CHECK(stats_of(c).failedOperations == 0);
}

TEST_CASE("Zero elements are legal, with null pointers too", "[integration][loopback]") {
  const Loopback job({2, 1});
  job.run_ok([](int, lhComm_t c) {
    const lhCallConfig_t config = call_with(lhCodecI8);
    for (const lhResult_t result : {lhAllReduce(nullptr, nullptr, 0, lhFloat32, lhSum, c, nullptr),
                                    lhAllReduceEx(nullptr, nullptr, 0, lhFloat32, lhAvg, &config, c, nullptr, nullptr),
                                    lhReduceScatter(nullptr, nullptr, 0, lhInt8, lhMax, c, nullptr),
                                    lhAllGather(nullptr, nullptr, 0, lhFloat64, c, nullptr),
                                    lhBroadcast(nullptr, nullptr, 0, lhUint64, 2, c, nullptr)})
      if (result != lhSuccess) return result;
    return lhSuccess;
  });
  job.check_alive();
}

TEST_CASE("Null communicators, requests and results", "[integration][loopback]") {
  float f = 1, g = 0;
  int number = 0;
  lhResult_t state = lhSuccess;
  lhStats_t stats = LH_STATS_INITIALIZER;
  lhRequest_t request = reinterpret_cast<lhRequest_t>(&f);
  CHECK(lhAllReduce(&f, &g, 1, lhFloat32, lhSum, nullptr, nullptr) == lhInvalidArgument);
  CHECK(contains(lhGetLastError(nullptr), "communicator is NULL"));
  CHECK(lhAllReduceEx(&f, &g, 1, lhFloat32, lhSum, nullptr, nullptr, nullptr, &request) == lhInvalidArgument);
  CHECK(request == nullptr);
  CHECK(lhReduceScatter(&f, &g, 1, lhFloat32, lhSum, nullptr, nullptr) == lhInvalidArgument);
  CHECK(lhAllGather(&f, &g, 1, lhFloat32, nullptr, nullptr) == lhInvalidArgument);
  CHECK(lhBroadcast(&f, &g, 1, lhFloat32, 0, nullptr, nullptr) == lhInvalidArgument);
  CHECK(lhBarrier(nullptr, nullptr) == lhInvalidArgument);
  CHECK(lhRequestTest(nullptr, &number) == lhInvalidArgument);
  CHECK(lhRequestWait(nullptr) == lhInvalidArgument);
  CHECK(lhCommFinalize(nullptr) == lhInvalidArgument);
  CHECK(lhCommDestroy(nullptr) == lhInvalidArgument);
  CHECK(lhCommAbort(nullptr) == lhInvalidArgument);
  CHECK(lhCommGetAsyncError(nullptr, &state) == lhInvalidArgument);
  CHECK(lhCommGetStats(nullptr, &stats) == lhInvalidArgument);
  CHECK(lhGetVersion(nullptr) == lhInvalidArgument);
  CHECK(lhCommInit(nullptr, nullptr) == lhInvalidArgument);

  const Loopback job({1});
  using Question = lhResult_t (*)(lhComm_t, int*);
  for (const Question ask :
       {lhCommCount, lhCommUserRank, lhCommSiteCount, lhCommSite, lhCommSiteSize, lhCommSiteRank, lhCommCuDevice}) {
    CHECK(ask(nullptr, &number) == lhInvalidArgument);
    CHECK(ask(job[0], nullptr) == lhInvalidArgument);
  }
  CHECK(lhCommGetAsyncError(job[0], nullptr) == lhInvalidArgument);
  CHECK(lhCommGetStats(job[0], nullptr) == lhInvalidArgument);
  stats.magic = 1;
  CHECK(lhCommGetStats(job[0], &stats) == lhInvalidArgument);
  CHECK(contains(lhGetLastError(nullptr), "LH_STATS_INITIALIZER"));
  CHECK(std::string(lhGetLastError(job[0])).empty());
  job.check_alive();
}

TEST_CASE("Refused loopback jobs", "[integration][loopback]") {
  lhComm_t comms[16] = {};
  const int good[2] = {1, 1}, nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}, empty[2] = {1, 0}, large[1] = {65};
  const auto check = [&](lhResult_t got, lhResult_t expected, const char* part) {
    INFO(lhGetLastError(nullptr));
    CHECK(got == expected);
    CHECK(contains(lhGetLastError(nullptr), part));
  };
  check(lhCommInitLoopback(nullptr, good, 2, nullptr), lhInvalidArgument, "comms");
  check(lhCommInitLoopback(comms, nullptr, 2, nullptr), lhInvalidArgument, "siteSizes");
  check(lhCommInitLoopback(comms, good, 0, nullptr), lhInvalidArgument, "nSites is 0");
  check(lhCommInitLoopback(comms, nine, 9, nullptr), lhInvalidArgument, "nSites is 9");
  check(lhCommInitLoopback(comms, empty, 2, nullptr), lhInvalidArgument, "siteSizes[1] is 0");
  check(lhCommInitLoopback(comms, large, 1, nullptr), lhInvalidArgument, "siteSizes[0] is 65");
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.wan = "codek=i8";
  check(lhCommInitLoopback(comms, good, 2, &config), lhInvalidArgument, "did you mean 'codec'");
  config.wan = "codec=r5";
  check(lhCommInitLoopback(comms, good, 2, &config), lhInvalidArgument, "did you mean 'r4'");
  config.wan = "encryption=aes-256-gcm";
  check(lhCommInitLoopback(comms, good, 2, &config), lhUnsupported, "aes-256-gcm");
  config.wan = nullptr;
  config.magic = 0;
  check(lhCommInitLoopback(comms, good, 2, &config), lhInvalidArgument, "LH_CONFIG_INITIALIZER");
  for (lhComm_t comm : comms) CHECK(comm == nullptr);
}

TEST_CASE("Version and texts of the codes", "[integration][loopback]") {
  int version = 0;
  REQUIRE(lhGetVersion(&version) == lhSuccess);
  CHECK(version == LH_VERSION_CODE);
  for (int code = -1; code <= 21; ++code) {
    const char* text = lhGetErrorString(bad<lhResult_t>(code));
    REQUIRE(text != nullptr);
    CHECK(std::strlen(text) > 0);
  }
  std::thread([] {
    // A fresh thread has had no failure.
    if (std::string(lhGetLastError(nullptr)) != "") std::_Exit(98);
  }).join();
}
