// SPDX-License-Identifier: Apache-2.0
// Codecs: the kernels of this build on one GPU, loaded by its driver from data in this library (kernels/cuda/images.h); so one binary serves
// machines with and without GPUs, and nothing of CUDA is linked. Made and used with the GPU's context current.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/owned.h"
#include "kernels/cuda/codec_device.h"

namespace longhaul::device {

class Codecs {
 public:
  /// Null where this build has no kernels, or none for this GPU and driver: `*why_not` says which. What encodes then is the CPU.
  static Result<std::unique_ptr<Codecs>> make(std::shared_ptr<const Gpu> gpu, std::string* why_not);
  ~Codecs();
  Codecs(const Codecs&) = delete;
  Codecs& operator=(const Codecs&) = delete;

  /// What codec_device.h says, in this stream.
  Status encode(const kernels::gpu::Encode& job, CuStream stream) const;
  Status combine(const kernels::gpu::Combine& job, CuStream stream) const;
  Status rehearse(const std::uint32_t* zero, CuStream stream) const;
  /// A GPU that does not answer may still run them.
  void abandon() { modules_.clear(); }

 private:
  class InStream;
  explicit Codecs(std::shared_ptr<const Gpu> gpu) : gpu_(std::move(gpu)) {}
  Status find_kernels();

  std::shared_ptr<const Gpu> gpu_;
  std::vector<CuModule> modules_;       // of kernels::gpu::images()
  std::vector<CuFunction> functions_;   // by number of the kernel
  unsigned most_blocks_ = 1;
};

}  // namespace longhaul::device
