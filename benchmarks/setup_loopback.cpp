// SPDX-License-Identifier: Apache-2.0
// All ranks in this process, one thread each. The first failure is kept and printed; then every communicator is
// aborted, so that no thread stays blocked, and communicators are destroyed only after all threads have ended.
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "benchmarks/run.h"

namespace longhaul::perf {
namespace {

class Loopback {
 public:
  Loopback(const Options& options, std::vector<lhComm_t> comms)
      : options_(options), comms_(std::move(comms)), hub_(static_cast<int>(comms_.size())) {}

  Outcome run() {
    for_each_rank([this](int rank) { run_one(rank); });
    for_each_rank([this](int rank) { static_cast<void>(lhCommDestroy(comm(rank))); });
    if (failure_) print_error(failure_->rank, failure_->error);
    return {failure_ ? failure_->exit_status : exit_status_, true, !failure_, std::move(ranks_)};
  }

 private:
  lhComm_t comm(int rank) const { return comms_[static_cast<std::size_t>(rank)]; }

  template <typename Work>
  void for_each_rank(const Work& work) {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < hub_.size(); ++rank) threads.emplace_back(work, rank);
    for (std::thread& thread : threads) thread.join();
  }

  void run_one(int rank) {
    ThreadTeam team(&hub_, rank);
    const RankResult result = run_rank_safely(options_, "threads of one process, WAN in memory", comm(rank), team);
    const std::scoped_lock lock(mutex_);
    if (rank == 0) ranks_ = result.ranks;
    if (result.error.empty()) {
      exit_status_ = std::max(exit_status_, result.exit_status);
      return;
    }
    if (failure_) return;
    failure_ = result;
    hub_.abort();
    for (const lhComm_t each : comms_) static_cast<void>(lhCommAbort(each));
  }

  const Options& options_;
  const std::vector<lhComm_t> comms_;
  ThreadHub hub_;
  std::mutex mutex_;
  int exit_status_ = 0;
  std::optional<RankResult> failure_;
  std::vector<RankInfo> ranks_;
};

}  // namespace

Outcome run_loopback(const Options& options) {
  const int sites = options.sites > 0 ? options.sites : 2;
  const int ranks = options.ranks > 0 ? options.ranks : 2 * sites;
  const std::vector<int> sizes = site_sizes(ranks, sites);
  std::string wan;
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.wan = wan_or_null(options, &wan);
  config.device = options.device;
  std::vector<lhComm_t> comms(static_cast<std::size_t>(ranks), nullptr);
  try {
    require(lhCommInitLoopback(comms.data(), sizes.data(), sites, &config), nullptr, "lhCommInitLoopback");
    return Loopback(options, comms).run();
  } catch (const std::exception& failure) {
    print_error(-1, failure.what());
    return {.exit_status = kExitLibrary, .first = true, .complete = false, .ranks = {}};
  }
}

}  // namespace longhaul::perf
