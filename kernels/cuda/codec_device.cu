// SPDX-License-Identifier: Apache-2.0
// Which kernels does a codec run on a GPU? The arguments are checked here, once for all codecs.
#include "kernels/cuda/codec_device.h"

#include <cuda_runtime_api.h>

#include "kernels/cuda/codecs.h"
#include "kernels/cuda/make_jobs.h"

namespace longhaul::kernels::gpu {
namespace {

const DeviceForm& form_of(lhCodec_t codec) {
  switch (codec) {
    case lhCodecI8:
      return kI8Device;
    case lhCodecR4:
      return kR4Device;
    case lhCodecF4:
      return kF4Device;
    case lhCodecR2:
      return kR2Device;
    case lhCodecLossless:
      return kLosslessDevice;
    default:
      return kBf16Device;
  }
}

}  // namespace

Error encode(const Encode& job, void* stream) {
  if (!makes_sense(job)) return cudaErrorInvalidValue;
  if (job.count > 0) return form_of(job.codec).encode(job, stream);
  return job.bytes ? cudaMemsetAsync(job.bytes, 0, sizeof *job.bytes, static_cast<cudaStream_t>(stream)) : cudaSuccess;
}

Error combine(const Combine& job, void* stream) {
  if (!makes_sense(job)) return cudaErrorInvalidValue;
  return job.count > 0 ? form_of(job.codec).combine(job, stream) : cudaSuccess;
}

const char* error_text(Error error) { return cudaGetErrorString(static_cast<cudaError_t>(error)); }

}  // namespace longhaul::kernels::gpu
