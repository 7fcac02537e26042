// SPDX-License-Identifier: Apache-2.0
// Nothing is allocated on the data path: engine, links, codecs and site groups take their memory when a communicator is made.
#include <longhaul/longhaul.h>

#include <atomic>
#include <thread>
#include <vector>

#include "support/catch.h"
#include "support/counting_new.h"

using longhaul::test::counted_allocations;
using longhaul::test::counting_allocations;

TEST_CASE("calls do not allocate", "[integration]") {
  const lhCodec_t codec = GENERATE(lhCodecNone, lhCodecI8, lhCodecR4, lhCodecLossless);
  const int sizes[] = {2, 2};
  constexpr std::size_t kRanks = 4, kCount = 1 << 20;
  constexpr int kWarm = 30, kCounted = 30;
  std::vector<lhComm_t> comms(kRanks);
  REQUIRE(lhCommInitLoopback(comms.data(), sizes, 2, nullptr) == lhSuccess);
  std::vector<std::vector<float>> data(kRanks, std::vector<float>(kCount, 1.0f));
  std::atomic<int> failed{0}, arrived{0};
  {
    std::vector<std::thread> threads;
    for (std::size_t rank = 0; rank < kRanks; ++rank)
      threads.emplace_back([&, rank] {
        lhCallConfig_t config = LH_CALL_CONFIG_INITIALIZER;
        config.codec = codec;
        config.tag = 1;
        config.errorFeedback = codec == lhCodecR4 ? 1 : 0;
        for (int i = 0; i < kWarm + kCounted; ++i) {
          if (i == kWarm) {
            // All ranks begin the counted calls together.
            ++arrived;
            while (arrived.load() < static_cast<int>(kRanks)) std::this_thread::yield();
            counting_allocations = true;
          }
          failed += lhAllReduceEx(data[rank].data(), data[rank].data(), kCount, lhFloat32, lhMax, &config, comms[rank], nullptr, nullptr) != lhSuccess;
          failed += lhAllReduceEx(data[rank].data(), data[rank].data(), kCount, lhFloat32, lhAvg, &config, comms[rank], nullptr, nullptr) != lhSuccess;
          failed += lhBarrier(comms[rank], nullptr) != lhSuccess;
        }
        counting_allocations = false;  // the first to be done: then threads end
      });
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(failed == 0);
  // 360 calls of up to 8 chunks. What may still happen, a few times: the loopback wire (transport/sim) keeps a copy of every frame
  // under way, and its pool grows whenever more are under way than ever before.
  CHECK(counted_allocations < 40);
  for (lhComm_t comm : comms) CHECK(lhCommDestroy(comm) == lhSuccess);
}
