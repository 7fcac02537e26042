// SPDX-License-Identifier: Apache-2.0
// Blocks of threads on the CPU: what kernels/cuda/programs.h asks for, with warps as a loop; and a launch of a kernel by its name. For
// the unit tests of the kernels and the double of CUDA, which run the kernels' own source.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/programs.h"
#include "support/warp_host.h"

namespace longhaul::test {

/// All warps of a launch, as if of one block, in their turn, in either order.
class HostBlock {
 public:
  using Warp = HostWarp;
  template <typename T>
  struct Warps {
    T of[kernels::gpu::kMostSources];
    T& operator[](Bits32 own) { return of[own]; }
  };

  HostBlock(Bits32 warps, bool backwards) : warps_(warps), backwards_(backwards), room_(kernels::gpu::kMostSources * kernels::gpu::kReadTile) {}

  template <typename Step>
  void each_warp(const Step& step) const {
    for (Bits32 i = 0; i < warps_; ++i) {
      const Bits32 own = backwards_ ? warps_ - 1 - i : i;
      step(HostWarp(backwards_), own, kernels::gpu::Place{own, warps_});
    }
  }
  void meet() const {}
  float* room() const { return room_.data(); }

 private:
  Bits32 warps_;
  bool backwards_;
  mutable std::vector<float> room_;
};

/// A kernel of the list: runs with this job, as so many warps.
struct HostKernel {
  void (*run)(const void* job, Bits32 warps, bool backwards) = nullptr;
  std::size_t job_bytes = 0;
  bool sweeps = false;  ///< any number of warps does
};

template <typename Program>
void run_on_host(const void* job, Bits32 warps, bool backwards) {
  Program::run(HostBlock(warps, backwards), *static_cast<const typename Program::Job*>(job));
}

inline const std::map<std::string, HostKernel>& host_kernels() {
  using namespace kernels;
  using namespace kernels::gpu;
#define LH_HOST_KERNEL(name, ...) {"lh_" #name, {run_on_host<__VA_ARGS__>, sizeof(__VA_ARGS__::Job), __VA_ARGS__::kSweeps}},
  static const std::map<std::string, HostKernel> kernels{LH_GPU_KERNELS(LH_HOST_KERNEL)};
#undef LH_HOST_KERNEL
  return kernels;
}

/// Runs what encode() and combine() enqueue, at once. `warps` caps a sweep's.
class HostLauncher final : public kernels::gpu::Launcher {
 public:
  HostLauncher(Bits32 warps, bool backwards) : warps_(warps), backwards_(backwards) {}
  kernels::gpu::Error launch(unsigned number, unsigned blocks, unsigned threads, const void* job) override {
    const Bits32 warps = blocks * threads / kLanes;
    const HostKernel& kernel = host_kernels().at(kernels::gpu::kernel_name(number));
    kernel.run(job, kernel.sweeps ? std::min(warps_, warps) : warps, backwards_);
    return kernels::gpu::kSuccess;
  }
  kernels::gpu::Error zero(void* memory, std::size_t bytes) override {
    std::memset(memory, 0, bytes);
    return kernels::gpu::kSuccess;
  }
  unsigned most_blocks() const override { return 1000; }

 private:
  Bits32 warps_;
  bool backwards_;
};

}  // namespace longhaul::test
