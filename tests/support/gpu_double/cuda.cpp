// SPDX-License-Identifier: Apache-2.0
// The double's CUDA driver: contexts, streams, events, memory.
#include <cstring>

#include "base/clock.h"
#include "support/block_host.h"
#include "support/gpu_double/state.h"

using namespace longhaul::testing::gpu;
using longhaul::device::CuContext;
using longhaul::device::CuEvent;
using longhaul::device::CuFunction;
using longhaul::device::CuModule;
using longhaul::device::CuPointer;
using longhaul::device::CuResult;
using longhaul::device::CuStream;
using longhaul::device::CuUuid;
using longhaul::device::kCudaInvalidValue;
using longhaul::device::kCudaNotReady;
using longhaul::device::kCudaSuccess;

namespace {

constexpr CuResult kUnknown = 999, kNotInitialised = 3, kNoDevice = 100, kInvalidContext = 201, kInvalidHandle = 400, kNotFound = 500;
/// Of a sweep: more would only take longer.
constexpr unsigned kMostWarps = 3;

std::vector<CuContext>& context_stack() {
  thread_local std::vector<CuContext> stack;
  return stack;
}

CUctx_st& context_of(int device) {
  static std::vector<CUctx_st> contexts = [] {
    std::vector<CUctx_st> made(16);
    for (std::size_t i = 0; i < made.size(); ++i) made[i].device = static_cast<int>(i);
    return made;
  }();
  return contexts[static_cast<std::size_t>(device)];
}

/// What may be done on the stream now.
CuResult usable(CuStream stream, const char* name) {
  if (current_device() < 0) {
    violation(std::string(name) + " without a context");
    return kInvalidContext;
  }
  const std::lock_guard lock(state().mutex);
  return state().streams.count(stream) ? kCudaSuccess : kInvalidHandle;
}

std::uint32_t load(CuPointer address) { return std::atomic_ref(*reinterpret_cast<std::uint32_t*>(address)).load(std::memory_order_acquire); }

void nap() { std::this_thread::sleep_for(std::chrono::microseconds(10)); }

}  // namespace

struct CUmod_st {};
struct CUfunc_st {
  longhaul::test::HostKernel kernel;
};

struct CUevent_st {
  bool timed = false;
  std::mutex mutex;
  std::shared_ptr<std::atomic<std::int64_t>> record;  // of the last cuEventRecord: when it was reached, 0: not yet

  std::int64_t reached() {
    const std::lock_guard lock(mutex);
    return record ? record->load(std::memory_order_acquire) : 0;
  }
};

CUstream_st::CUstream_st(int on, std::uint64_t seed) : device(on), random(seed), thread([this] { work(); }) {}
CUstream_st::~CUstream_st() = default;

void CUstream_st::push(std::function<void()> item) {
  const std::lock_guard lock(mutex);
  queue.push_back(std::move(item));
  changed.notify_all();
}

bool CUstream_st::idle() {
  const std::lock_guard lock(mutex);
  return queue.empty() && !running;
}

void CUstream_st::close() {
  const std::lock_guard lock(mutex);
  closed = true;
  changed.notify_all();
}

void CUstream_st::work() {
  const int longest = state().options.longest_delay_us;
  std::unique_lock lock(mutex);
  for (;;) {
    changed.wait(lock, [&] { return (!queue.empty() && !paused) || (closed && queue.empty()); });
    if (queue.empty()) return;
    const auto item = std::move(queue.front());
    queue.pop_front();
    running = true;
    const std::uint64_t delay = longest > 0 ? random.below(static_cast<std::uint64_t>(longest) + 1) : 0;
    lock.unlock();
    if (delay > 0) std::this_thread::sleep_for(std::chrono::microseconds(delay));
    item();
    lock.lock();
    running = false;
  }
}

namespace longhaul::testing::gpu {

int current_device() { return context_stack().empty() ? -1 : context_stack().back()->device; }

}  // namespace longhaul::testing::gpu

LH_DOUBLE CuResult cuInit(unsigned) {
  if (counted("cuInit")) return kUnknown;
  return state().options.no_driver ? kNoDevice : kCudaSuccess;
}
LH_DOUBLE CuResult cuDriverGetVersion(int* version) {
  *version = 12080;
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuGetErrorName(CuResult error, const char** name) {
  *name = error == kUnknown ? "CUDA_ERROR_UNKNOWN" : error == kNoDevice ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_OF_THE_DOUBLE";
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuGetErrorString(CuResult error, const char** text) {
  *text = error == kUnknown ? "unknown error" : error == kNoDevice ? "no CUDA-capable device is detected" : "error of the double";
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuDeviceGetCount(int* count) {
  if (counted("cuDeviceGetCount")) return kUnknown;
  *count = state().options.devices;
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuDeviceGet(int* device, int ordinal) {
  if (counted("cuDeviceGet")) return kUnknown;
  *device = ordinal;
  return ordinal >= 0 && ordinal < state().options.devices ? kCudaSuccess : kCudaInvalidValue;
}
LH_DOUBLE CuResult cuDeviceGetUuid_v2(CuUuid* uuid, int device) {
  if (counted("cuDeviceGetUuid")) return kUnknown;
  std::memset(uuid->bytes, 0, sizeof uuid->bytes);
  uuid->bytes[15] = state().options.one_gpu ? char{1} : static_cast<char>(device + 1);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuDevicePrimaryCtxRetain(CuContext* context, int device) {
  if (counted("cuDevicePrimaryCtxRetain")) return kUnknown;
  const std::lock_guard lock(state().mutex);
  ++state().contexts;
  *context = &context_of(device);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuDevicePrimaryCtxRelease_v2(int) {
  const std::lock_guard lock(state().mutex);
  --state().contexts;
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuCtxPushCurrent_v2(CuContext context) {
  if (counted("cuCtxPushCurrent")) return kUnknown;
  context_stack().push_back(context);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuCtxPopCurrent_v2(CuContext* context) {
  if (context_stack().empty()) violation("cuCtxPopCurrent without a context");
  *context = context_stack().back();
  context_stack().pop_back();
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuCtxGetStreamPriorityRange(int* least, int* greatest) {
  if (counted("cuCtxGetStreamPriorityRange")) return kUnknown;
  *least = 0;
  *greatest = -5;
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuStreamCreateWithPriority(CuStream* stream, unsigned, int) {
  if (counted("cuStreamCreateWithPriority")) return kUnknown;
  const int device = current_device();
  if (device < 0) return kInvalidContext;
  static std::atomic<std::uint64_t> made{0};
  auto owned = std::make_unique<CUstream_st>(device, state().options.seed * 1000 + ++made);
  const std::lock_guard lock(state().mutex);
  *stream = owned.release();
  state().streams.insert(*stream);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuStreamDestroy_v2(CuStream stream) {
  stream->close();  // what is in it is still done, as on a GPU
  const std::lock_guard lock(state().mutex);
  state().streams.erase(stream);
  state().retired.push_back(stream);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuStreamQuery(CuStream stream) {
  if (counted("cuStreamQuery")) return kUnknown;
  return stream->idle() ? kCudaSuccess : kCudaNotReady;
}
LH_DOUBLE CuResult cuStreamIsCapturing(CuStream stream, int* status) {
  if (counted("cuStreamIsCapturing")) return kUnknown;
  *status = stream && stream->capturing ? 1 : 0;
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuStreamWaitValue32_v2(CuStream stream, CuPointer address, std::uint32_t value, unsigned) {
  if (counted("cuStreamWaitValue32")) return kUnknown;
  if (const CuResult result = usable(stream, "cuStreamWaitValue32"); result != kCudaSuccess) return result;
  Allocation allocation;
  if (!find_memory(address, sizeof value, &allocation) || allocation.kind != Kind::Pinned)
    violation("cuStreamWaitValue32 on memory that is not pinned");
  stream->push([=] {
    while (static_cast<std::int32_t>(load(address) - value) < 0) nap();
  });
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuStreamWriteValue32_v2(CuStream stream, CuPointer address, std::uint32_t value, unsigned) {
  if (counted("cuStreamWriteValue32")) return kUnknown;
  if (const CuResult result = usable(stream, "cuStreamWriteValue32"); result != kCudaSuccess) return result;
  Allocation allocation;
  if (!find_memory(address, sizeof value, &allocation)) violation("cuStreamWriteValue32 on foreign memory");
  stream->push([=] { std::atomic_ref(*reinterpret_cast<std::uint32_t*>(address)).store(value, std::memory_order_release); });
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuEventCreate(CuEvent* event, unsigned flags) {
  if (counted("cuEventCreate")) return kUnknown;
  if (current_device() < 0) return kInvalidContext;
  auto owned = std::make_unique<CUevent_st>();
  owned->timed = (flags & longhaul::device::kEventDisableTiming) == 0;
  const std::lock_guard lock(state().mutex);
  *event = owned.release();
  state().events.insert(*event);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuEventDestroy_v2(CuEvent event) {
  {
    const std::lock_guard lock(state().mutex);
    if (state().events.erase(event) == 0) return kInvalidHandle;
  }
  const std::unique_ptr<CUevent_st> freed(event);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuEventRecord(CuEvent event, CuStream stream) {
  if (counted("cuEventRecord")) return kUnknown;
  if (const CuResult result = usable(stream, "cuEventRecord"); result != kCudaSuccess) return result;
  auto record = std::make_shared<std::atomic<std::int64_t>>(0);
  stream->push([record] { record->store(longhaul::steady_now(), std::memory_order_release); });
  const std::lock_guard lock(event->mutex);
  event->record = std::move(record);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuEventQuery(CuEvent event) {
  if (counted("cuEventQuery")) return kUnknown;
  const std::lock_guard lock(event->mutex);
  return !event->record || event->record->load(std::memory_order_acquire) != 0 ? kCudaSuccess : kCudaNotReady;
}
/// The GPU's clock runs a little faster than the host's.
LH_DOUBLE CuResult cuEventElapsedTime(float* milliseconds, CuEvent begin, CuEvent end) {
  if (counted("cuEventElapsedTime")) return kUnknown;
  if (!begin->timed || !end->timed) {
    violation("cuEventElapsedTime of events without time stamps");
    return kInvalidHandle;
  }
  const std::int64_t from = begin->reached(), to = end->reached();
  if (from == 0 || to == 0) return kCudaNotReady;
  *milliseconds = static_cast<float>(static_cast<double>(to - from) * 1.0001 / 1e6);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuMemAlloc_v2(CuPointer* pointer, std::size_t bytes) {
  if (counted("cuMemAlloc")) return kUnknown;
  const int device = current_device();
  if (device < 0) return kInvalidContext;
  *pointer = reinterpret_cast<CuPointer>(std::malloc(bytes));
  const std::lock_guard lock(state().mutex);
  state().memory[*pointer] = {bytes, Kind::Device, device};
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuMemFree_v2(CuPointer pointer) {
  {
    const std::lock_guard lock(state().mutex);
    if (state().memory.erase(pointer) == 0) return kCudaInvalidValue;
  }
  std::free(reinterpret_cast<void*>(pointer));
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuMemHostAlloc(void** pointer, std::size_t bytes, unsigned) {
  if (counted("cuMemHostAlloc")) return kUnknown;
  if (current_device() < 0) return kInvalidContext;
  *pointer = std::malloc(bytes);
  const std::lock_guard lock(state().mutex);
  state().memory[reinterpret_cast<std::uintptr_t>(*pointer)] = {bytes, Kind::Pinned, current_device()};
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuMemFreeHost(void* pointer) { return cuMemFree_v2(reinterpret_cast<CuPointer>(pointer)); }
LH_DOUBLE CuResult cuMemcpyAsync(CuPointer to, CuPointer from, std::size_t bytes, CuStream stream) {
  if (counted("cuMemcpyAsync")) return kUnknown;
  if (const CuResult result = usable(stream, "cuMemcpyAsync"); result != kCudaSuccess) return result;
  Allocation allocation;
  if (!find_memory(to, bytes, &allocation) || !find_memory(from, bytes, &allocation)) violation("cuMemcpyAsync beyond an allocation");
  stream->push([=] { std::memcpy(reinterpret_cast<void*>(to), reinterpret_cast<const void*>(from), bytes); });
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuPointerGetAttribute(void* value, int attribute, CuPointer pointer) {
  if (counted("cuPointerGetAttribute")) return kUnknown;
  Allocation allocation;
  if (!find_memory(pointer, 1, &allocation)) return kCudaInvalidValue;
  auto* out = static_cast<unsigned*>(value);
  if (attribute == longhaul::device::kPointerMemoryType) *out = allocation.kind == Kind::Device ? longhaul::device::kMemoryTypeDevice : 1;
  if (attribute == longhaul::device::kPointerIsManaged) *out = 0;
  if (attribute == longhaul::device::kPointerDeviceOrdinal) *out = static_cast<unsigned>(allocation.device);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuMemsetD32Async(CuPointer to, unsigned value, std::size_t words, CuStream stream) {
  if (counted("cuMemsetD32Async")) return kUnknown;
  if (const CuResult result = usable(stream, "cuMemsetD32Async"); result != kCudaSuccess) return result;
  Allocation allocation;
  if (!find_memory(to, 4 * words, &allocation) || to % 4 != 0) violation("cuMemsetD32Async beyond an allocation");
  stream->push([=] { std::fill_n(reinterpret_cast<unsigned*>(to), words, value); });
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuDeviceGetAttribute(int* value, int attribute, int) {
  if (counted("cuDeviceGetAttribute")) return kUnknown;
  *value = attribute == longhaul::device::kMultiprocessors ? 2 : 0;
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuModuleLoadData(CuModule* module, const void* image) {
  if (counted("cuModuleLoadData")) return kUnknown;
  if (current_device() < 0) return kInvalidContext;
  if (!image) return kCudaInvalidValue;
  if (state().options.other_kernels) return longhaul::device::kNoBinary;
  auto owned = std::make_unique<CUmod_st>();
  const std::lock_guard lock(state().mutex);
  *module = owned.release();
  state().modules.insert(*module);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuModuleUnload(CuModule module) {
  {
    const std::lock_guard lock(state().mutex);
    if (state().modules.erase(module) == 0) return kInvalidHandle;
  }
  const std::unique_ptr<CUmod_st> freed(module);
  return kCudaSuccess;
}
LH_DOUBLE CuResult cuModuleGetFunction(CuFunction* function, CuModule module, const char* name) {
  if (counted("cuModuleGetFunction")) return kUnknown;
  static std::map<std::string, CUfunc_st> functions = [] {
    std::map<std::string, CUfunc_st> made;
    for (const auto& [known, kernel] : longhaul::test::host_kernels()) made[known].kernel = kernel;
    return made;
  }();
  const std::lock_guard lock(state().mutex);
  const auto found = functions.find(name);
  if (!state().modules.count(module) || found == functions.end()) return kNotFound;
  *function = &found->second;
  return kCudaSuccess;
}
/// The kernel's own source runs on the stream's thread. What it is told is copied now, as a driver does.
LH_DOUBLE CuResult cuLaunchKernel(CuFunction function, unsigned blocks, unsigned, unsigned, unsigned threads, unsigned, unsigned, unsigned, CuStream stream,
                                  void** arguments, void**) {
  if (counted("cuLaunchKernel")) return kUnknown;
  if (const CuResult result = usable(stream, "cuLaunchKernel"); result != kCudaSuccess) return result;
  if (blocks == 0 || threads == 0 || threads > 1024 || threads % 32 != 0) return kCudaInvalidValue;
  using namespace longhaul::kernels::gpu;
  const unsigned all = blocks * threads / 32, warps = function->kernel.sweeps ? std::min(all, kMostWarps) : all;
  alignas(16) std::array<std::byte, std::max(sizeof(EncodeJob), sizeof(CombineJob))> job;
  std::memcpy(job.data(), arguments[0], function->kernel.job_bytes);
  stream->push([=] {
    try {
      function->kernel.run(job.data(), warps, (state().options.seed & 1) != 0);
    } catch (const std::exception& error) {
      violation(std::string("a kernel: ") + error.what());
    }
  });
  return kCudaSuccess;
}
