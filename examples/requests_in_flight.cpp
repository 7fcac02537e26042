// SPDX-License-Identifier: Apache-2.0
// Gradient buckets as a training step has them: each is given to Longhaul as soon as it is computed, compressed to 8
// bits a value on the WAN, and all of them are in flight together. Prints what crossed the WAN.
//   requests_in_flight                two sites of one rank each, in this process
//   requests_in_flight --configured   one rank of a job described by the environment, as hello_two_sites
#include <cmath>
#include <cstdio>
#include <cstring>
#include <longhaul/longhaul.hpp>
#include <thread>

namespace {

constexpr std::size_t kBuckets = 8;
constexpr std::size_t kElements = 1 << 18;

// What rank `rank` computes: smooth, different on every rank and in every bucket.
float gradient(int rank, std::size_t bucket, std::size_t i) {
  return std::sin(static_cast<float>(i) * 0.01F + static_cast<float>(bucket)) * static_cast<float>(rank + 1);
}

// Largest difference from the exact sum, as a share of the largest value.
double relative_error(const std::vector<std::vector<float>>& buckets, int ranks) {
  double worst = 0, largest = 0;
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    for (std::size_t i = 0; i < kElements; ++i) {
      double exact = 0;
      for (int rank = 0; rank < ranks; ++rank) exact += static_cast<double>(gradient(rank, b, i));
      worst = std::max(worst, std::abs(exact - static_cast<double>(buckets[b][i])));
      largest = std::max(largest, std::abs(exact));
    }
  }
  return worst / largest;
}

struct Step {
  std::vector<std::vector<float>> buckets{kBuckets, std::vector<float>(kElements)};
  std::vector<longhaul::Request> requests;  // after the buckets: ends first, and a request's buffer must outlive it
};

void run_step(longhaul::Communicator& comm, Step* step) {
  auto& [buckets, requests] = *step;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    for (std::size_t i = 0; i < kElements; ++i) buckets[b][i] = gradient(comm.rank(), b, i);
    // The tag names this bucket in every step; equal on all ranks.
    requests.push_back(comm.all_reduce_async(buckets[b], {.codec = lhCodecI8, .tag = b + 1}));
  }
  std::size_t ended = 0;
  for (longhaul::Request& request : requests)
    if (request.test()) ++ended;
  for (longhaul::Request& request : requests) request.wait();
  comm.barrier();

  const double error = relative_error(buckets, comm.size());
  const lhStats_t stats = comm.stats();
  if (comm.rank() == 0) {
    const auto payload = static_cast<double>(stats.payloadBytes), wire = static_cast<double>(stats.wanBytesSent);
    std::printf("%zu requests, %zu already done when the last was issued\n", kBuckets, ended);
    std::printf("rank 0 sent %.0f bytes of gradients as %.0f bytes over the WAN: ratio %.2f\n", payload, wire,
                payload / wire);
    std::printf("largest error: %.4f of the largest value\n", error);
  }
  comm.finalize();
}

int run_rank(longhaul::Communicator& comm) {
  Step step;
  try {
    run_step(comm, &step);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "requests_in_flight: rank failed: %s\n", error.what());
    comm.abort();  // before the requests are waited for: they and the other ranks end now, not at their deadline
    return 1;
  }
}

int run_in_this_process() {
  std::vector<longhaul::Communicator> comms =
      longhaul::Communicator::loopback({1, 1}, "emulate_rtt=30ms,emulate_rate=100mbit");
  int other = 0;
  std::thread second([&] { other = run_rank(comms[1]); });  // one thread a rank, as one process a rank elsewhere
  const int first = run_rank(comms[0]);
  second.join();
  return first + other == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  const bool configured = argc == 2 && std::strcmp(argv[1], "--configured") == 0;
  if (argc > 1 && !configured) {
    std::fprintf(stderr, "requests_in_flight: unknown argument '%s': give --configured or nothing\n", argv[1]);
    return 2;
  }
  if (!configured) return run_in_this_process();
  longhaul::Communicator comm = longhaul::Communicator::init();
  return run_rank(comm);
} catch (const longhaul::Error& error) {
  std::fprintf(stderr, "requests_in_flight: %s\n", error.what());
  return 1;
}
