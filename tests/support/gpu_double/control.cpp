// SPDX-License-Identifier: Apache-2.0
// What tests ask of the double and tell it.
#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "support/gpu_double/state.h"

namespace longhaul::testing::gpu {

namespace {

void join_all(const std::vector<CUstream_st*>& streams) {
  for (CUstream_st* stream : streams) {
    stream->join();
    const std::unique_ptr<CUstream_st> freed(stream);
  }
}

}  // namespace

State::~State() {
  join_all(retired);
  if (!std::getenv("LH_GPU_DOUBLE_REPORT")) return;
  for (const std::string& text : gpu::violations()) std::fprintf(stderr, "violation: %s\n", text.c_str());
  if (const std::string text = left_over(); !text.empty()) std::fprintf(stderr, "left over: %s\n", text.c_str());
}

State& state() {
  static State instance;
  return instance;
}

bool counted(const char* name) {
  const std::uint64_t number = ++state().calls;
  if (number != state().fail_at.load()) return false;
  const std::lock_guard lock(state().mutex);
  state().failed_call = name;
  return true;
}

void violation(const std::string& text) {
  const std::lock_guard lock(state().mutex);
  state().violations.push_back(text);
}

bool find_memory(device::CuPointer pointer, std::size_t bytes, Allocation* found) {
  const std::lock_guard lock(state().mutex);
  auto after = state().memory.upper_bound(pointer);
  if (after == state().memory.begin()) return false;
  const auto& [begin, allocation] = *--after;
  *found = allocation;
  return pointer + bytes <= begin + allocation.bytes;
}

void begin(const Options& options) {
  State& now = state();
  LH_CHECK(left_over().empty());
  std::vector<CUstream_st*> retired;
  {
    const std::lock_guard lock(now.mutex);
    retired.swap(now.retired);
  }
  join_all(retired);
  const std::lock_guard lock(now.mutex);
  now.options = options;
  now.violations.clear();
  now.failed_call.clear();
  now.launches.clear();
  now.calls = now.fail_at = 0;
}

std::uint64_t calls() { return state().calls; }
void fail_call(std::uint64_t number) { state().fail_at = number; }
std::string failed_call() {
  const std::lock_guard lock(state().mutex);
  return state().failed_call;
}

std::string left_over() {
  const std::lock_guard lock(state().mutex);
  std::string text;
  const auto add = [&](std::size_t count, const char* what) {
    if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + what;
  };
  add(state().memory.size(), "allocations");
  add(state().streams.size(), "streams");
  add(state().events.size(), "events");
  add(state().comms.size(), "communicators");
  add(state().modules.size(), "modules");
  add(static_cast<std::size_t>(state().contexts), "contexts");
  return text;
}

/// Engine threads whose first communicator is the same one are ranks of one site.
std::vector<std::string> violations() {
  const std::lock_guard lock(state().mutex);
  std::vector<std::string> found = state().violations;
  std::map<std::string, const std::vector<Launch>*> longest;
  for (const auto& [thread, launches] : state().launches) {
    if (launches.empty()) continue;
    const std::vector<Launch>*& other = longest[launches.front().clique];
    for (std::size_t i = 0; other && i < std::min(other->size(), launches.size()); ++i) {
      if ((*other)[i].clique == launches[i].clique && (*other)[i].what == launches[i].what) continue;
      found.push_back("NCCL call " + std::to_string(i) + " differs: " + (*other)[i].clique + " " + (*other)[i].what + " and " + launches[i].clique +
                      " " + launches[i].what);
      break;
    }
    if (!other || other->size() < launches.size()) other = &launches;
  }
  return found;
}

void set_capturing(void* stream, bool capturing) { static_cast<CUstream_st*>(stream)->capturing = capturing; }

void pause(void* stream) {
  auto* paused = static_cast<CUstream_st*>(stream);
  const std::lock_guard lock(paused->mutex);
  paused->paused = true;
}

void resume(void* stream) {
  auto* paused = static_cast<CUstream_st*>(stream);
  const std::lock_guard lock(paused->mutex);
  paused->paused = false;
  paused->changed.notify_all();
}

}  // namespace longhaul::testing::gpu
