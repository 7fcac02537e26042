// SPDX-License-Identifier: Apache-2.0
// All ranks of a job on the double's GPUs, in this process: rank r on device (first + r) of the machine, and a user on each. The ranks' calls are
// issued one after another from the test's thread: device calls do not block.
#pragma once

#include <cstdlib>
#include <memory>

#include "gpu/user.h"
#include "support/loopback.h"

namespace longhaul::testing::gpu {

/// Of the environment: which seeds, how many.
inline std::uint64_t number_from(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

class GpuJob {
 public:
  explicit GpuJob(std::vector<int> sizes, const char* wan = nullptr, int devices = 16) : sizes_(std::move(sizes)) {
    std::size_t ranks = 0;
    for (const int size : sizes_) ranks += static_cast<std::size_t>(size);
    comms_.assign(ranks, nullptr);
    const Watchdog watchdog("initialisation on GPUs");
    lhConfig_t config = LH_CONFIG_INITIALIZER;
    config.wan = wan;
    config.device = 0;
    outcome_.code = lhCommInitLoopback(comms_.data(), sizes_.data(), static_cast<int>(sizes_.size()), &config);
    outcome_.text = lhGetLastError(nullptr);
    fail_call(0);  // what follows is the user's own
    for (std::size_t i = 0; i < ranks && outcome_.code == lhSuccess; ++i) users_.push_back(std::make_unique<User>(static_cast<int>(i) % devices));
  }
  GpuJob(const GpuJob&) = delete;
  GpuJob& operator=(const GpuJob&) = delete;
  ~GpuJob() { destroy(); }

  const Outcome& outcome() const { return outcome_; }
  int ranks() const { return static_cast<int>(comms_.size()); }
  lhComm_t comm(int rank) const { return comms_[static_cast<std::size_t>(rank)]; }
  User& user(int rank) { return *users_[static_cast<std::size_t>(rank)]; }

  /// Until all streams have come to their ends.
  void synchronize() {
    const Watchdog watchdog("streams of " + std::to_string(ranks()) + " ranks");
    for (const auto& user : users_) user->synchronize();
  }
  void destroy() {
    const Watchdog watchdog("destruction on GPUs");
    std::vector<std::thread> threads;
    for (lhComm_t comm : comms_)
      if (comm) threads.emplace_back([comm] { lhCommDestroy(comm); });
    for (std::thread& thread : threads) thread.join();
    comms_.assign(comms_.size(), nullptr);
  }

 private:
  std::vector<int> sizes_;
  std::vector<lhComm_t> comms_;
  std::vector<std::unique_ptr<User>> users_;
  Outcome outcome_;
};

}  // namespace longhaul::testing::gpu
