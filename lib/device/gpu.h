// SPDX-License-Identifier: Apache-2.0
// Gpu: one device and its primary context, which is the one that PyTorch, NCCL and every runtime use. Current: the context on the
// calling thread for a scope; everything below needs it. What is made there: owned.h.
#pragma once

#include <longhaul/longhaul.h>

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "base/status.h"
#include "device/load.h"

namespace longhaul::device {

class Gpu {
  struct Key {};  // open() is the only way to one

 public:
  Gpu(Key, std::shared_ptr<const Cuda> cuda, int device) : cuda_(std::move(cuda)), device_(device) {}
  /// lhUnsupported where there is no driver, lhInvalidArgument where there is no such device.
  static Result<std::shared_ptr<const Gpu>> open(int device);
  /// Number of GPUs this process sees.
  static Result<int> count();
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  int device() const { return device_; }
  /// CUdevice.
  int handle() const { return handle_; }
  const Cuda& cuda() const { return *cuda_; }
  CuContext context() const { return context_; }
  /// The same for every process and every CUDA_VISIBLE_DEVICES.
  const CuUuid& uuid() const { return uuid_; }
  std::string uuid_text() const;

  /// "cuMemAlloc on GPU 0: out of memory (CUDA_ERROR_OUT_OF_MEMORY)".
  Status check(CuResult result, const char* call) const;
  /// Whether a call of this communicator may work on `pointer`; `name`: of the argument.
  Status check_pointer(const char* name, const void* pointer) const;

 private:
  std::shared_ptr<const Cuda> cuda_;
  int device_;
  int handle_ = -1;
  CuContext context_ = nullptr;
  CuUuid uuid_{};
};

/// lhInvalidArgument where `pointer` is device memory and cannot be read by a communicator on host memory.
Status check_host_pointer(const Cuda& cuda, const char* name, const void* pointer);

class Current {
 public:
  explicit Current(const Gpu& gpu);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;
  const Status& status() const { return status_; }

 private:
  const Gpu& gpu_;
  Status status_;
};

}  // namespace longhaul::device
