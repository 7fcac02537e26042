// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/team.h"

#include <cstring>

#include "benchmarks/failure.h"

namespace longhaul::perf {
namespace {

[[noreturn]] void other_rank_failed() { throw Failure("stopped: another rank failed"); }

}  // namespace

void ThreadHub::barrier() {
  std::unique_lock lock(mutex_);
  if (aborted_) other_rank_failed();
  const std::uint64_t mine = generation_;
  if (++waiting_ == size_) {
    waiting_ = 0;
    ++generation_;
    changed_.notify_all();
    return;
  }
  changed_.wait(lock, [&] { return generation_ != mine || aborted_; });
  if (generation_ == mine) other_rank_failed();
}

void ThreadHub::all_gather(int rank, const void* mine, void* all, std::size_t bytes) {
  {
    const std::scoped_lock lock(mutex_);
    slots_.resize(bytes * static_cast<std::size_t>(size_));
    std::memcpy(slots_.data() + bytes * static_cast<std::size_t>(rank), mine, bytes);
  }
  barrier();
  {
    const std::scoped_lock lock(mutex_);
    std::memcpy(all, slots_.data(), slots_.size());
  }
  barrier();  // nobody may begin the next exchange while somebody still reads this one
}

void ThreadHub::abort() {
  const std::scoped_lock lock(mutex_);
  aborted_ = true;
  changed_.notify_all();
}

LibraryTeam::LibraryTeam(lhComm_t comm) : comm_(comm) {
  require(lhCommUserRank(comm, &rank_), comm, "lhCommUserRank");
  require(lhCommCount(comm, &size_), comm, "lhCommCount");
}

void LibraryTeam::barrier() { require(lhBarrier(comm_, nullptr), comm_, "lhBarrier"); }

void LibraryTeam::all_gather(const void* mine, void* all, std::size_t bytes) {
  require(lhAllGather(mine, all, bytes, lhUint8, comm_, nullptr), comm_, "lhAllGather");
}

}  // namespace longhaul::perf
