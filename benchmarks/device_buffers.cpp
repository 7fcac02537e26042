// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/device_buffers.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "benchmarks/failure.h"

namespace longhaul::perf {
namespace {

template <typename T>
T take(Result<T> result) {
  if (!result.ok()) throw Failure(result.status().text());
  return std::move(*result);
}

void require_ok(const Status& status) {
  if (!status.ok()) throw Failure(status.text());
}

}  // namespace

DeviceBuffers::DeviceBuffers(int device, std::size_t bytes) : gpu_(take(device::Gpu::open(device))) {
  const device::Current current(*gpu_);
  require_ok(current.status());
  const std::size_t size = std::max<std::size_t>(1, bytes);
  stream_ = std::make_unique<device::Stream>(take(device::Stream::make(gpu_)));
  send_ = std::make_unique<device::Memory>(take(device::Memory::make(gpu_, size)));
  receive_ = std::make_unique<device::Memory>(take(device::Memory::make(gpu_, size)));
  pinned_ = std::make_unique<device::Pinned>(take(device::Pinned::make(gpu_, size)));
}

DeviceBuffers::~DeviceBuffers() {
  const device::Current current(*gpu_);
  pinned_.reset();
  receive_.reset();
  send_.reset();
  stream_.reset();
}

void DeviceBuffers::put(std::byte* to, std::span<const std::byte> from) {
  if (from.empty()) return;
  std::memcpy(pinned_->get(), from.data(), from.size());
  const device::Current current(*gpu_);
  require_ok(stream_->copy(to, pinned_->get(), from.size()));
  finish();
}

void DeviceBuffers::get(std::span<std::byte> to, const std::byte* from) {
  if (to.empty()) return;
  {
    const device::Current current(*gpu_);
    require_ok(stream_->copy(pinned_->get(), from, to.size()));
    finish();
  }
  std::memcpy(to.data(), pinned_->get(), to.size());
}

bool DeviceBuffers::idle() const { return take(stream_->idle()); }

void DeviceBuffers::finish() const {
  while (!idle()) std::this_thread::yield();
}

}  // namespace longhaul::perf
