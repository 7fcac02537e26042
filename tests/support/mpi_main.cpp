// SPDX-License-Identifier: Apache-2.0
// main() of test programs that run under mpirun. All ranks run the same test cases in the same order and agree after
// each whether it failed anywhere; the exit code is the worst of all ranks. A test case that hangs for a minute (say,
// because another rank failed in the middle of it) is named and ends the job.
#define CATCH_CONFIG_RUNNER
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "support/catch.h"

namespace {

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
#else
using ListenerBase = Catch::TestEventListenerBase;
#endif

constexpr std::chrono::seconds kLimit{60};

int own_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

/// Ends the job when a test case takes longer than kLimit.
class Watchdog {
 public:
  explicit Watchdog(std::string name) : name_(std::move(name)), thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;  // the thread uses `this`
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kLimit, [this] { return done_; })) return;
    std::fprintf(stderr, "rank %d: test case '%s' hangs\n", own_rank(), name_.c_str());
    MPI_Abort(MPI_COMM_WORLD, 1);
  }

  std::string name_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false;
  std::thread thread_;
};

/// Whether any test case failed on any rank.
bool failed_anywhere = false;

class Agreement : public ListenerBase {
 public:
  using ListenerBase::ListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    name_ = info.name;
    watchdog_.emplace(name_);
  }

  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    const int mine = stats.totals.assertions.failed > 0 || stats.aborting ? own_rank() + 1 : 0;
    int worst = 0;
    MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
    watchdog_.reset();
    if (worst == 0) return;
    failed_anywhere = true;
    if (own_rank() == 0) {
      std::fprintf(stderr, "test case '%s' failed, at least on rank %d\n", name_.c_str(), worst - 1);
    }
  }

 private:
  std::string name_;
  std::optional<Watchdog> watchdog_;
};

CATCH_REGISTER_LISTENER(Agreement)

}  // namespace

int main(int argc, char* argv[]) {
  int provided = MPI_THREAD_SINGLE;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  if (provided != MPI_THREAD_MULTIPLE) {
    std::fprintf(stderr, "this MPI does not grant MPI_THREAD_MULTIPLE\n");
    MPI_Abort(MPI_COMM_WORLD, 1);
  }
  const int mine = Catch::Session().run(argc, argv) != 0 || failed_anywhere ? 1 : 0;
  int worst = 1;
  MPI_Allreduce(&mine, &worst, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  MPI_Finalize();
  return worst;
}
