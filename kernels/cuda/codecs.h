// SPDX-License-Identifier: Apache-2.0
// What every codec's device.cu gives to the table in codec_device.cu.
#pragma once

#include "kernels/cuda/codec_device.h"

namespace longhaul::kernels::gpu {

/// `job` makes sense and has values.
struct DeviceForm {
  Error (*encode)(const Encode& job, void* stream);
  Error (*combine)(const Combine& job, void* stream);
};

extern const DeviceForm kBf16Device, kI8Device, kF4Device, kR4Device, kR2Device, kLosslessDevice;

}  // namespace longhaul::kernels::gpu
