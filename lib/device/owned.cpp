// SPDX-License-Identifier: Apache-2.0
#include "device/owned.h"

namespace longhaul::device {

Result<Stream> Stream::make(std::shared_ptr<const Gpu> gpu) {
  int least = 0, greatest = 0;
  if (Status status = gpu->check(gpu->cuda().stream_priorities(&least, &greatest), "cuCtxGetStreamPriorityRange"); !status.ok()) return status;
  CuStream stream = nullptr;
  if (Status status = gpu->check(gpu->cuda().stream_create(&stream, kStreamNonBlocking, greatest), "cuStreamCreateWithPriority"); !status.ok())
    return status;
  return Stream(std::move(gpu), stream);
}

Status Stream::copy(void* to, const void* from, std::size_t bytes) const { return copy(cu_pointer(to), cu_pointer(from), bytes); }

Status Stream::copy(CuPointer to, CuPointer from, std::size_t bytes) const {
  return bytes == 0 ? Status() : gpu_->check(gpu_->cuda().copy(to, from, bytes, stream_), "cuMemcpyAsync");
}

Status Stream::wait(const std::uint32_t* word, std::uint32_t value) const {
  return gpu_->check(gpu_->cuda().stream_wait_value(stream_, cu_pointer(word), value, kWaitGreaterOrEqual), "cuStreamWaitValue32");
}

Status Stream::write(std::uint32_t* word, std::uint32_t value) const {
  return gpu_->check(gpu_->cuda().stream_write_value(stream_, cu_pointer(word), value, kWriteDefault), "cuStreamWriteValue32");
}

Result<bool> Stream::idle() const {
  const CuResult result = gpu_->cuda().stream_query(stream_);
  if (result == kCudaNotReady) return false;
  if (Status status = gpu_->check(result, "cuStreamQuery"); !status.ok()) return status;
  return true;
}

Result<Event> Event::make(std::shared_ptr<const Gpu> gpu, bool timed) {
  CuEvent event = nullptr;
  if (Status status = gpu->check(gpu->cuda().event_create(&event, timed ? kEventDefault : kEventDisableTiming), "cuEventCreate"); !status.ok()) return status;
  return Event(std::move(gpu), event);
}

Result<bool> Event::reached() const {
  const CuResult result = gpu_->cuda().event_query(event_);
  if (result == kCudaNotReady) return false;
  if (Status status = gpu_->check(result, "cuEventQuery"); !status.ok()) return status;
  return true;
}

std::optional<TimeNs> Event::since(const Event& earlier) const {
  float milliseconds = 0;
  if (gpu_->cuda().event_elapsed(&milliseconds, earlier.event_, event_) != kCudaSuccess) return std::nullopt;
  return static_cast<TimeNs>(static_cast<double>(milliseconds) * 1e6);
}

Result<Memory> Memory::make(std::shared_ptr<const Gpu> gpu, std::size_t bytes) {
  CuPointer pointer = 0;
  if (Status status = gpu->check(gpu->cuda().memory_allocate(&pointer, bytes), "cuMemAlloc"); !status.ok())
    return std::move(status).with(fmt::format("{} bytes of GPU memory for staging", bytes));
  return Memory(std::move(gpu), pointer);
}

Result<Pinned> Pinned::make(std::shared_ptr<const Gpu> gpu, std::size_t bytes) {
  void* memory = nullptr;
  if (Status status = gpu->check(gpu->cuda().host_allocate(&memory, bytes, kHostAllocPortable | kHostAllocMapped), "cuMemHostAlloc"); !status.ok())
    return std::move(status).with(fmt::format("{} bytes of pinned host memory for staging", bytes));
  return Pinned(std::move(gpu), memory);
}

}  // namespace longhaul::device
