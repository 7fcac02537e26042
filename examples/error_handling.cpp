// SPDX-License-Identifier: Apache-2.0
// What failures look like: provokes one of each kind between two sites in this process and prints code and text.
// Nothing here ends the process or waits for ever; that is the point.
#include <chrono>
#include <cstdio>
#include <functional>
#include <longhaul/longhaul.hpp>
#include <thread>

namespace {

using longhaul::Communicator;
using namespace std::chrono_literals;

int surprises = 0;

// Runs `work`, prints how it failed, and counts anything else than `expected` as a surprise.
void expect(const char* who, lhResult_t expected, const std::function<void()>& work) {
  lhResult_t code = lhSuccess;
  std::string text = "success";
  try {
    work();
  } catch (const longhaul::Error& error) {
    code = error.code();
    text = error.what();
  }
  std::printf("  %s: %s\n", who, text.c_str());
  if (code == expected) return;
  std::printf("  SURPRISE: expected '%s'\n", lhGetErrorString(expected));
  ++surprises;
}

// Both ranks at once, one thread each; prints in rank order.
void expect_both(lhResult_t first, const std::function<void()>& first_work, lhResult_t second,
                 const std::function<void()>& second_work) {
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      second_work();
    } catch (...) {
      failure = std::current_exception();
    }
  });
  expect("rank 0", first, first_work);
  thread.join();
  expect("rank 1", second, [&] {
    if (failure) std::rethrow_exception(failure);
  });
}

void bad_configuration() {
  std::puts("a mistake in the configuration");
  expect("caller", lhInvalidArgument, [] { static_cast<void>(Communicator::loopback({1, 1}, "codek=i8")); });
}

// Found before anything is sent: the communicator stays usable, and the other rank sees nothing.
void bad_arguments() {
  std::puts("a bad argument, then a good call on the same communicator");
  auto comms = Communicator::loopback({1, 1});
  std::vector<float> values(100), too_short(10);
  expect("rank 0", lhInvalidArgument, [&] { comms[0].all_reduce(values, too_short); });
  expect("rank 0", lhInvalidArgument, [&] { comms[0].broadcast(values, 2); });
  std::vector<float> others(100);
  expect_both(
      lhSuccess, [&] { comms[0].all_reduce(values); }, lhSuccess, [&] { comms[1].all_reduce(others); });
}

// Ranks must make the same calls in the same order with equal arguments. Both learn what differs.
void mismatch() {
  std::puts("two ranks that disagree about a call");
  auto comms = Communicator::loopback({1, 1});
  std::vector<float> hundred(100), ninety(90);
  expect_both(
      lhInvalidUsage, [&] { comms[0].all_reduce(hundred); }, lhInvalidUsage, [&] { comms[1].all_reduce(ninety); });
}

// The other rank never calls. Every call ends by its deadline.
void timeout() {
  std::puts("a rank that does not come");
  auto comms = Communicator::loopback({1, 1});
  std::vector<float> values(100);
  expect("rank 0", lhTimeout, [&] { comms[0].all_reduce(values, lhSum, {.timeout = 200ms}); });
}

// abort() ends what is blocked, here and elsewhere.
void abort_while_waiting() {
  std::puts("an abort while both ranks wait");
  auto comms = Communicator::loopback({1, 1});
  std::vector<float> values(1 << 20);
  longhaul::Request pending = comms[0].all_reduce_async(values);  // rank 1 does not take part
  comms[0].abort();
  expect("rank 0", lhAborted, [&] { pending.wait(); });
  // Rank 1 hears of it within milliseconds; a program that is busy elsewhere asks from time to time.
  lhResult_t heard = lhSuccess;
  for (int tries = 0; tries < 5000 && heard == lhSuccess; ++tries) {
    longhaul::check(lhCommGetAsyncError(comms[1].handle(), &heard));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  expect("rank 1", lhRemoteError, [&] { comms[1].barrier(); });
}

}  // namespace

int main() try {
  bad_configuration();
  bad_arguments();
  mismatch();
  timeout();
  abort_while_waiting();
  std::printf("%d surprises\n", surprises);
  return surprises == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "error_handling: %s\n", error.what());
  return 1;
}
