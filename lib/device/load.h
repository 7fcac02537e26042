// SPDX-License-Identifier: Apache-2.0
// Finds the CUDA driver and NCCL at run time. What the process has already loaded or linked comes first; else libcuda.so.1 and
// libnccl.so.2 where the system's loader finds them. Libraries stay loaded: neither of them can be unloaded safely.
#pragma once

#include <memory>

#include "base/status.h"
#include "device/nccl.h"

namespace longhaul::device {

/// lhUnsupported, with a text that says what to install, where there is no driver or a too old one. Does not initialise it.
Result<std::shared_ptr<const Cuda>> load_cuda();
/// The same for NCCL.
Result<std::shared_ptr<const Nccl>> load_nccl();

/// The driver where something in this process has loaded it already, else null: nobody can have device memory then.
std::shared_ptr<const Cuda> cuda_in_process();

/// "2.30.7" of NCCL's 23007, "12.8" of CUDA's 12080.
std::string nccl_version_text(int version);
std::string cuda_version_text(int version);

}  // namespace longhaul::device
