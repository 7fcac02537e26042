// SPDX-License-Identifier: Apache-2.0
// What the double's two halves share: the count of calls and failures, the memory it has handed out, violations.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/random.h"
#include "device/nccl.h"
#include "support/gpu_double/double.h"

#define LH_DOUBLE extern "C" __attribute__((visibility("default")))

namespace longhaul::testing::gpu {

enum class Kind { Device, Pinned };

struct Allocation {
  std::size_t bytes = 0;
  Kind kind = Kind::Device;
  int device = 0;
};

/// An NCCL call as the ranks of a site must all make it.
struct Launch {
  std::string clique;
  std::string what;
};

struct State {
  ~State();  // joins the threads of streams that were destroyed
  Options options;
  std::mutex mutex;  // of all below
  std::map<std::uintptr_t, Allocation> memory;
  std::set<void*> streams, events, comms, modules;
  int contexts = 0;
  std::vector<std::string> violations;
  std::string failed_call;
  std::vector<CUstream_st*> retired;
  std::map<std::thread::id, std::vector<Launch>> launches;
  std::uint64_t cliques = 0;

  std::atomic<std::uint64_t> calls{0}, fail_at{0};
};
State& state();

/// Counts a call; true: it is the one that fails.
bool counted(const char* name);
void violation(const std::string& text);
/// The allocation that holds [pointer, pointer + bytes), if any.
bool find_memory(device::CuPointer pointer, std::size_t bytes, Allocation* found);
int current_device();  ///< of the calling thread's context; -1: none

}  // namespace longhaul::testing::gpu

struct CUctx_st {
  int device = 0;
};

/// A thread with a queue.
struct CUstream_st {
  CUstream_st(int on, std::uint64_t seed);
  ~CUstream_st();
  void push(std::function<void()> work);
  bool idle();
  void close();  // the thread ends when its queue is empty
  void join() { thread.join(); }

  const int device;
  std::atomic<bool> capturing{false};
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> queue;
  bool running = false, closed = false, paused = false;
  longhaul::Random random;
  std::thread thread;

 private:
  void work();
};
