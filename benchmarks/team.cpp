// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/team.h"

#include <algorithm>
#include <cstring>

#include "benchmarks/device_buffers.h"
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

void ThreadHub::check() {
  const std::scoped_lock lock(mutex_);
  if (aborted_) other_rank_failed();
}

void ThreadHub::abort() {
  const std::scoped_lock lock(mutex_);
  aborted_ = true;
  changed_.notify_all();
}

LibraryTeam::LibraryTeam(lhComm_t comm) : comm_(comm) {
  require(lhCommUserRank(comm, &rank_), comm, "lhCommUserRank");
  require(lhCommCount(comm, &size_), comm, "lhCommCount");
  require(lhCommCuDevice(comm, &device_), comm, "lhCommCuDevice");
}

LibraryTeam::~LibraryTeam() = default;

DeviceBuffers& LibraryTeam::buffers(std::size_t bytes) {
  if (!buffers_ || bytes > buffer_bytes_) {
    buffer_bytes_ = std::max<std::size_t>(bytes, 64 * 1024);
    buffers_.reset();
    buffers_ = std::make_unique<DeviceBuffers>(device_, buffer_bytes_);
  }
  return *buffers_;
}

/// A stream goes on when its call has failed, too.
void LibraryTeam::finish() {
  buffers_->finish();
  check();
}

void LibraryTeam::check() {
  lhResult_t state = lhSuccess;
  require(lhCommGetAsyncError(comm_, &state), comm_, "lhCommGetAsyncError");
  require(state, comm_, "another call of the communicator");
}

void LibraryTeam::barrier() {
  if (device_ < 0) return require(lhBarrier(comm_, nullptr), comm_, "lhBarrier");
  require(lhBarrier(comm_, buffers(0).stream()), comm_, "lhBarrier");
  finish();
}

void LibraryTeam::all_gather(const void* mine, void* all, std::size_t bytes) {
  if (device_ >= 0) {
    const std::size_t everything = bytes * static_cast<std::size_t>(size_);
    DeviceBuffers& on_gpu = buffers(everything);
    on_gpu.put(on_gpu.send(), {static_cast<const std::byte*>(mine), bytes});
    require(lhAllGather(on_gpu.send(), on_gpu.receive(), bytes, lhUint8, comm_, on_gpu.stream()), comm_, "lhAllGather");
    finish();
    return on_gpu.get({static_cast<std::byte*>(all), everything}, on_gpu.receive());
  }
  require(lhAllGather(mine, all, bytes, lhUint8, comm_, nullptr), comm_, "lhAllGather");
}

}  // namespace longhaul::perf
