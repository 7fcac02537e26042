// SPDX-License-Identifier: Apache-2.0
// Where the buffers of a call lie: in host memory, or on the communicator's GPU with a host copy of each. Throws Failure.
#pragma once

#include <longhaul/longhaul.h>

#include <memory>
#include <span>
#include <vector>

#include "device/owned.h"

namespace longhaul::perf {

/// Memory of one GPU and a stream to use it in. All calls return when they are done.
class DeviceBuffers {
 public:
  DeviceBuffers(int device, std::size_t bytes);
  ~DeviceBuffers();

  const device::Gpu& gpu() const { return *gpu_; }
  lhStream_t stream() const { return stream_->get(); }
  /// Whether everything in the stream is done.
  bool idle() const;
  void finish() const;
  std::byte* send() const { return send_->get(); }
  std::byte* receive() const { return receive_->get(); }
  void put(std::byte* to, std::span<const std::byte> from);
  void get(std::span<std::byte> to, const std::byte* from);

 private:
  std::shared_ptr<const device::Gpu> gpu_;
  std::unique_ptr<device::Stream> stream_;
  std::unique_ptr<device::Memory> send_, receive_;
  std::unique_ptr<device::Pinned> pinned_;
};

}  // namespace longhaul::perf
