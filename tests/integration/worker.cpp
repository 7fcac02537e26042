// SPDX-License-Identifier: Apache-2.0
// One rank of a real job for process_test.py: lhCommInit by environment, then what the first argument says. Every line
// of stdout is an event ("ready", "round 3", "end 8 text"); the exit status is 0 unless numbers were wrong (2) or a
// hang was ended (3).
#include <longhaul/longhaul.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;

lhResult_t report_end(lhResult_t result, lhComm_t comm) {
  std::printf("end %d %s\n", static_cast<int>(result), result == lhSuccess ? "" : lhGetLastError(comm));
  std::fflush(stdout);
  return result;
}

/// All ranks have the same bits: nobody's differ from the largest.
bool same_everywhere(lhComm_t comm, const std::vector<float>& result, const lhCallConfig_t& config, lhResult_t* code) {
  std::vector<float> largest(result.size());
  *code = lhAllReduceEx(result.data(), largest.data(), result.size(), lhUint32, lhMax, &config, comm, nullptr, nullptr);
  return *code != lhSuccess || std::memcmp(largest.data(), result.data(), result.size() * sizeof(float)) == 0;
}

/// Most that one value of a sum may be off, where the largest value is 99 times as large: a generous step of every codec.
double steps_of(lhCodec_t codec) {
  if (codec == lhCodecNone || codec == lhCodecLossless) return 0;
  if (codec == lhCodecBf16 || codec == lhCodecI8) return 0.01;
  return codec == lhCodecR2 ? 3.7 : 1;
}

/// One verified all-reduce.
lhResult_t verified_sum(lhComm_t comm, lhCodec_t codec, int round, std::size_t count) {
  int rank = 0, ranks = 0;
  lhCommUserRank(comm, &rank);
  lhCommCount(comm, &ranks);
  std::vector<float> mine(count), result(count);
  for (std::size_t i = 0; i < count; ++i)
    mine[i] = static_cast<float>((rank + 1) * static_cast<int>((i + static_cast<std::size_t>(round)) % 100));
  lhCallConfig_t config = LH_CALL_CONFIG_INITIALIZER;
  config.codec = codec;
  if (const char* timeout = std::getenv("WORKER_TIMEOUT_MS"))
    config.timeoutMs = static_cast<unsigned>(std::atoi(timeout));
  lhResult_t code = lhAllReduceEx(mine.data(), result.data(), count, lhFloat32, lhSum, &config, comm, nullptr, nullptr);
  if (code != lhSuccess) return code;
  const double factor = ranks * (ranks + 1) / 2.0, bound = 99 * factor * steps_of(codec);
  for (std::size_t i = 0; i < count; ++i) {
    const double expected = factor * static_cast<double>((i + static_cast<std::size_t>(round)) % 100);
    if (std::fabs(static_cast<double>(result[i]) - expected) <= bound) continue;
    std::printf("wrong codec %d round %d element %zu: %g, not %g\n", static_cast<int>(codec), round, i,
                static_cast<double>(result[i]), expected);
    std::exit(2);
  }
  if (!same_everywhere(comm, result, config, &code)) {
    std::printf("wrong: results of codec %d differ between ranks\n", static_cast<int>(codec));
    std::exit(2);
  }
  return code;
}

/// `rounds` verified sums of every codec, for ever with 0. Then a finalize.
int run_reduces(lhComm_t comm, int rounds) {
  lhResult_t result = lhSuccess;
  for (int round = 0; result == lhSuccess && (rounds == 0 || round < rounds); ++round) {
    for (const lhCodec_t codec : {lhCodecNone, lhCodecBf16, lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2, lhCodecLossless})
      if (result == lhSuccess) result = verified_sum(comm, codec, round, round % 4 == 0 ? 600011 : 1001);
    if (result != lhSuccess) break;
    std::printf("round %d\n", round);
    std::fflush(stdout);
  }
  if (result == lhSuccess) result = lhCommFinalize(comm);
  report_end(result, comm);
  lhCommDestroy(comm);
  std::puts("destroyed");
  return 0;
}

int run_blocking(int rounds) {
  lhComm_t comm = nullptr;
  const lhResult_t result = lhCommInit(&comm, nullptr);
  if (result != lhSuccess) {
    report_end(result, nullptr);
    if (comm) std::puts("wrong: a failed lhCommInit left a communicator");
    return comm ? 2 : 0;
  }
  std::puts("ready");
  std::fflush(stdout);
  return run_reduces(comm, rounds);
}

/// With abort_after: lhCommAbort after that long; the bring-up must end then.
int run_nonblocking(int rounds, std::chrono::milliseconds abort_after) {
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.blocking = 0;
  lhComm_t comm = nullptr;
  const lhResult_t begun = lhCommInit(&comm, &config);
  if (begun != lhInProgress) return report_end(begun, nullptr) == lhSuccess ? 2 : 0;
  int count = 0;
  lhResult_t state = lhInProgress;
  if (lhCommGetAsyncError(comm, &state) != lhSuccess) return 2;
  if (state == lhInProgress && lhCommCount(comm, &count) == lhSuccess &&
      lhCommGetAsyncError(comm, &state) == lhSuccess && state == lhInProgress)
    std::puts("wrong: a communicator that is being initialised answers");
  const auto begin = std::chrono::steady_clock::now();
  bool aborted = false;
  while (lhCommGetAsyncError(comm, &state) == lhSuccess && state == lhInProgress) {
    std::this_thread::sleep_for(1ms);
    if (aborted || abort_after == 0ms || std::chrono::steady_clock::now() - begin < abort_after) continue;
    aborted = true;
    lhCommAbort(comm);
    std::puts("aborted");
    std::fflush(stdout);
  }
  if (state == lhSuccess) {
    std::puts("ready");
    std::fflush(stdout);
    return run_reduces(comm, rounds);
  }
  report_end(state, comm);
  lhCommDestroy(comm);
  std::puts("destroyed");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // The hard end of a hang, whatever becomes of the parent.
  signal(SIGALRM, [](int) { _exit(3); });
  alarm(60);
  const std::string mode = argc > 1 ? argv[1] : "run";
  const int number = argc > 2 ? std::atoi(argv[2]) : 0;
  if (mode == "run") return run_blocking(number);
  if (mode == "nonblocking") return run_nonblocking(number, 0ms);
  if (mode == "abort") return run_nonblocking(1, std::chrono::milliseconds(number));
  std::fprintf(stderr, "usage: worker run|nonblocking|abort [number]\n");
  return 4;
}
