// SPDX-License-Identifier: Apache-2.0
// All ranks of a job in this process (lhCommInitLoopback), driven by one thread each. Catch2 checks only in the main
// thread, so a rank's work returns what happened and the test looks at it afterwards. A rank that hangs ends the
// process: a thread that waits for ever cannot be taken back.
#pragma once

#include <longhaul/longhaul.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/catch.h"

namespace longhaul::testing {

/// The library's warnings about failures that a test makes on purpose would hide what matters.
inline const int kQuiet = ::setenv("LONGHAUL_LOG", "off", 0);

/// Ends the process when it lives for longer than a minute.
class Watchdog {
 public:
  explicit Watchdog(std::string what) : what_(std::move(what)), thread_([this] { watch(); }) {}
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, std::chrono::seconds(60), [this] { return over_; })) return;
    std::fprintf(stderr, "HANG: %s is not done after 60 s\n", what_.c_str());
    std::fflush(stderr);
    std::_Exit(99);
  }

  std::string what_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::thread thread_;
};

/// How one rank's part ended, with the text the library had for it.
struct Outcome {
  Outcome(lhResult_t result = lhSuccess, std::string words = {}) : code(result), text(std::move(words)) {}
  lhResult_t code;
  std::string text;
};

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

class Loopback {
 public:
  using Work = std::function<lhResult_t(int rank, lhComm_t comm)>;

  explicit Loopback(std::vector<int> sizes, const char* wan = nullptr) : sizes_(std::move(sizes)) {
    std::size_t ranks = 0;
    for (const int size : sizes_) ranks += static_cast<std::size_t>(size);
    comms_.assign(ranks, nullptr);
    const Watchdog watchdog("initialisation of " + name());
    lhConfig_t config = LH_CONFIG_INITIALIZER;
    config.wan = wan;
    INFO(name());
    const lhResult_t result =
        lhCommInitLoopback(comms_.data(), sizes_.data(), static_cast<int>(sizes_.size()), &config);
    INFO(lhGetLastError(nullptr));
    REQUIRE(result == lhSuccess);
  }
  Loopback(const Loopback&) = delete;
  Loopback& operator=(const Loopback&) = delete;
  ~Loopback() { destroy(); }

  int ranks() const { return static_cast<int>(comms_.size()); }
  int sites() const { return static_cast<int>(sizes_.size()); }
  const std::vector<int>& sizes() const { return sizes_; }
  lhComm_t operator[](int rank) const { return comms_[static_cast<std::size_t>(rank)]; }
  int site_of(int rank) const {
    int site = 0;
    for (; rank >= sizes_[static_cast<std::size_t>(site)]; ++site) rank -= sizes_[static_cast<std::size_t>(site)];
    return site;
  }
  std::string name() const {
    std::string text = "sites {";
    for (const int size : sizes_) text += (text.back() == '{' ? "" : ",") + std::to_string(size);
    return text + "}";
  }

  /// Runs `work` on every rank at once. An error comes with lhGetLastError(comm).
  std::vector<Outcome> run(const Work& work) const {
    const Watchdog watchdog("a call on " + name());
    std::vector<Outcome> outcomes(comms_.size());
    std::vector<std::thread> threads;
    for (int rank = 0; rank < ranks(); ++rank) {
      threads.emplace_back([&, rank] {
        lhComm_t comm = comms_[static_cast<std::size_t>(rank)];
        Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
        outcome.code = work(rank, comm);
        if (outcome.code != lhSuccess && comm) outcome.text = lhGetLastError(comm);
      });
    }
    for (std::thread& thread : threads) thread.join();
    return outcomes;
  }

  void run_ok(const Work& work) const {
    const std::vector<Outcome> outcomes = run(work);
    for (int rank = 0; rank < ranks(); ++rank) {
      const Outcome& outcome = outcomes[static_cast<std::size_t>(rank)];
      INFO(name() << ", rank " << rank << ": " << outcome.text);
      REQUIRE(outcome.code == lhSuccess);
    }
  }

  /// A sum over all ranks that must come out right: the communicators work.
  void check_alive() const {
    std::vector<float> results(comms_.size(), 0.0F);
    run_ok([&](int rank, lhComm_t comm) {
      const float mine = static_cast<float>(rank) + 1;
      return lhAllReduce(&mine, &results[static_cast<std::size_t>(rank)], 1, lhFloat32, lhSum, comm, nullptr);
    });
    const auto n = static_cast<float>(ranks());
    for (const float result : results) CHECK(result == n * (n + 1) / 2);
  }

  /// Destroys this rank's communicator now.
  lhResult_t destroy_one(int rank) {
    lhComm_t comm = comms_[static_cast<std::size_t>(rank)];
    comms_[static_cast<std::size_t>(rank)] = nullptr;
    return lhCommDestroy(comm);
  }

  void destroy() {
    run([](int, lhComm_t comm) { return comm ? lhCommDestroy(comm) : lhSuccess; });
    for (lhComm_t& comm : comms_) comm = nullptr;
  }

 private:
  std::vector<int> sizes_;
  std::vector<lhComm_t> comms_;
};

/// All that a call can name.
constexpr lhCodec_t kAllCodecs[] = {lhCodecNone, lhCodecBf16, lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2, lhCodecLossless};

inline lhStats_t stats_of(lhComm_t comm) {
  lhStats_t stats = LH_STATS_INITIALIZER;
  REQUIRE(lhCommGetStats(comm, &stats) == lhSuccess);
  return stats;
}

inline lhCallConfig_t call_with(lhCodec_t codec, lhScope_t scope = lhScopeDefault, unsigned timeout_ms = 0) {
  lhCallConfig_t config = LH_CALL_CONFIG_INITIALIZER;
  config.codec = codec;
  config.scope = scope;
  config.timeoutMs = timeout_ms;
  return config;
}

}  // namespace longhaul::testing
