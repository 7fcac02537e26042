// SPDX-License-Identifier: Apache-2.0
// The double: libcuda and libnccl for tests, in one shared library. It has exactly the functions that lib/device declares; a program linked
// with it is found to have a driver and NCCL by the library's own loader. "GPUs" are host memory and threads: every stream is a thread
// with a queue and random delays, events and memory operations are what they are on a GPU, and an NCCL kernel meets its peers
// on those threads. So the code that drives GPUs runs as it is, under the sanitizers; what NCCL and CUDA forbid is noted as a violation.
// Programs get it by LD_PRELOAD; with LH_GPU_DOUBLE_REPORT set they end with their violations, and what they left over, on stderr.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace longhaul::testing::gpu {

struct Options {
  std::uint64_t seed = 1;
  int devices = 4;
  int longest_delay_us = 0;       ///< before anything a stream does; 0: as fast as it goes
  double in_progress = 0;         ///< probability that an NCCL call on a non-blocking communicator is still in progress when it returns
  int nccl_version = 23007;
  bool one_gpu = false;           ///< all devices are the same GPU
  bool other_kernels = false;     ///< the library's kernels are for other GPUs
  bool no_driver = false;         ///< cuInit says that there is no device
};

/// Forgets everything; the test before must have freed everything.
void begin(const Options& options);

/// Calls of the library so far, and the one that fails (counted from 1; 0: none).
std::uint64_t calls();
void fail_call(std::uint64_t number);
/// Its name, once it has failed.
std::string failed_call();

/// What is still allocated: "2 streams, 1 event"; empty where nothing is.
std::string left_over();
/// What the library did that CUDA or NCCL forbids; and whether ranks of a site made their NCCL calls in different orders.
std::vector<std::string> violations();

/// A stream of the user, on one device. Work: the host function runs in the stream.
void set_capturing(void* stream, bool capturing);
/// The stream does nothing more until resume(); as a kernel of the user that takes its time.
void pause(void* stream);
void resume(void* stream);

}  // namespace longhaul::testing::gpu
