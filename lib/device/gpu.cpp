// SPDX-License-Identifier: Apache-2.0
#include "device/gpu.h"

namespace longhaul::device {
namespace {

Status describe(const Cuda& cuda, CuResult result, const std::string& what) {
  const char* name = nullptr;
  const char* text = nullptr;
  cuda.error_name(result, &name);
  cuda.error_string(result, &text);
  return error(lhUnhandledCudaError, "{}: {} ({})", what, text ? text : "unknown error", name ? name : std::to_string(result));
}

Result<std::shared_ptr<const Cuda>> initialise() {
  auto cuda = load_cuda();
  if (!cuda.ok()) return cuda;
  if (const CuResult result = (*cuda)->init(0); result != kCudaSuccess)
    return describe(**cuda, result, "the CUDA driver does not start").with("no GPU can be used");
  return cuda;
}

bool attribute(const Cuda& cuda, int which, const void* pointer, unsigned* value) {
  *value = 0;
  return cuda.pointer_attribute(value, which, cu_pointer(pointer)) == kCudaSuccess;
}

}  // namespace

Result<int> Gpu::count() {
  auto cuda = initialise();
  if (!cuda.ok()) return cuda.take_status();
  int count = 0;
  if (const CuResult result = (*cuda)->device_count(&count); result != kCudaSuccess) return describe(**cuda, result, "cuDeviceGetCount");
  return count;
}

Result<std::shared_ptr<const Gpu>> Gpu::open(int device) {
  auto cuda = initialise();
  if (!cuda.ok()) return cuda.take_status().with(fmt::format("device {}", device));
  const auto gpu = std::make_shared<Gpu>(Key{}, *cuda, device);
  const Cuda& api = **cuda;
  int count = 0;
  if (Status status = gpu->check(api.device_count(&count), "cuDeviceGetCount"); !status.ok()) return status;
  if (device >= count)
    return error(lhInvalidArgument, "device {} does not exist: this process sees {} GPUs (CUDA_VISIBLE_DEVICES), counted from 0", device, count);
  if (Status status = gpu->check(api.device_get(&gpu->handle_, device), "cuDeviceGet"); !status.ok()) return status;
  if (Status status = gpu->check(api.device_uuid(&gpu->uuid_, gpu->handle_), "cuDeviceGetUuid"); !status.ok()) return status;
  if (Status status = gpu->check(api.primary_retain(&gpu->context_, gpu->handle_), "cuDevicePrimaryCtxRetain"); !status.ok()) {
    gpu->context_ = nullptr;
    return status;
  }
  return std::shared_ptr<const Gpu>(gpu);
}

Gpu::~Gpu() {
  if (context_) cuda_->primary_release(handle_);
}

std::string Gpu::uuid_text() const {
  std::string text = "GPU-";
  for (const char byte : uuid_.bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

Status Gpu::check(CuResult result, const char* call) const {
  return result == kCudaSuccess ? Status() : describe(*cuda_, result, fmt::format("{} on GPU {}", call, device_));
}

Status Gpu::check_pointer(const char* name, const void* pointer) const {
  unsigned type = 0, managed = 0, device = 0;
  if (!attribute(*cuda_, kPointerMemoryType, pointer, &type))
    return error(lhInvalidArgument, "{} is host memory, but this communicator works on GPU {}: pass device memory, or make a communicator with "
                 "device -1", name, device_);
  if (attribute(*cuda_, kPointerIsManaged, pointer, &managed) && managed) return {};
  if (type != kMemoryTypeDevice)
    return error(lhInvalidArgument, "{} is pinned host memory, but this communicator works on GPU {}: pass device memory", name, device_);
  if (attribute(*cuda_, kPointerDeviceOrdinal, pointer, &device) && static_cast<int>(device) != device_)
    return error(lhInvalidArgument, "{} is memory of GPU {}, but this communicator works on GPU {}", name, device, device_);
  return {};
}

Status check_host_pointer(const Cuda& cuda, const char* name, const void* pointer) {
  unsigned type = 0, managed = 0;
  if (!pointer || !attribute(cuda, kPointerMemoryType, pointer, &type) || type != kMemoryTypeDevice) return {};
  if (attribute(cuda, kPointerIsManaged, pointer, &managed) && managed) return {};
  return error(lhInvalidArgument, "{} is GPU memory, but this communicator works on host memory: set lhConfig_t.device to the GPU's number", name);
}

Current::Current(const Gpu& gpu) : gpu_(gpu), status_(gpu.check(gpu.cuda().context_push(gpu.context()), "cuCtxPushCurrent")) {}

Current::~Current() {
  CuContext popped = nullptr;
  if (status_.ok()) gpu_.cuda().context_pop(&popped);
}

}  // namespace longhaul::device
