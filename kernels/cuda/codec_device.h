// SPDX-License-Identifier: Apache-2.0
// The codecs on a GPU: the same bytes as kernels/codecs, both directions. Plain C++ without CUDA's headers: which kernels run, with what
// and in which order is decided here (launches.cpp); who brings them to a GPU is a Launcher: lib/device/codecs.h, and tests.
//
// encode() and combine() only enqueue: they allocate nothing, wait for nothing, keep no pointer after the stream has passed, and may
// be captured into a graph. Memory is of the device, or pinned and mapped host memory, and stays valid until the stream has passed. Blobs
// and `work` lie at multiples of 16 bytes, values at multiples of their own size (16 is faster). Buffers do not overlap but where said.
#pragma once

#include <longhaul/longhaul.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codecs/codec.h"

namespace longhaul::kernels::gpu {

/// CUresult: 0 is success. Arguments that make no sense give 1 (CUDA_ERROR_INVALID_VALUE) and enqueue nothing.
using Error = int;
constexpr Error kSuccess = 0, kMakesNoSense = 1;

/// Enqueues in one stream of one device.
class Launcher {
 public:
  virtual ~Launcher() = default;
  /// Kernel `number` of kernel_list.h, with a copy of `job`.
  virtual Error launch(unsigned number, unsigned blocks, unsigned threads, const void* job) = 0;
  /// `bytes` is a multiple of 4.
  virtual Error zero(void* memory, std::size_t bytes) = 0;
  /// More blocks are of no use to the device.
  virtual unsigned most_blocks() const = 0;
};

/// Launches every kernel once, with nothing to do: drivers load kernels when they are first launched, and may wait for everything else on
/// the GPU then. `zero` is a word that holds 0.
Error rehearse(const std::uint32_t* zero, Launcher* launcher);

/// Name in the image of kernel `number`; null where there is none any more.
const char* kernel_name(unsigned number);

/// Sites that one call can add up.
constexpr int kMostBlobs = 8;

struct Encode {
  lhCodec_t codec = lhCodecBf16;  ///< none but lhCodecDefault and lhCodecNone
  lhDataType_t type = lhFloat32;  ///< of `values`: lhFloat32, lhBfloat16, lhFloat16
  const void* values = nullptr;   ///< `count` of them
  std::size_t count = 0;
  Rotation rotation = {};
  std::byte* blob = nullptr;  ///< room for most_bytes() of the codec
  /// work_bytes() of the codec; may be used again by what is enqueued behind in the same stream. Null where that is 0.
  void* work = nullptr;
  /// Set to 1 where the codec cannot carry the values (docs/codecs.md); never cleared, so that several pieces may share one. `blob` and
  /// `next_residual` are then unspecified. bf16 and lossless refuse nothing and take null.
  std::uint32_t* refused = nullptr;
  /// With this, nothing happens where it is 0 when the stream comes here: encode as bf16 behind the attempt of another codec, with its
  /// `refused` here, and the blob is right either way, without the host having looked.
  const std::uint32_t* only_if = nullptr;
  /// Size of the blob, for the host to read. Lossless, whose sizes vary, needs it; the others may leave it null.
  std::uint64_t* bytes = nullptr;
  /// Error feedback (bf16, `count` each), null for none: values + residual is what is encoded, and next_residual what was lost of that.
  /// Both or none; not the same memory. Exact codecs take none.
  const std::uint16_t* residual = nullptr;
  std::uint16_t* next_residual = nullptr;
};

/// Bytes of device memory that encode() needs beside the blob.
constexpr std::size_t work_bytes(lhCodec_t codec) { return codec == lhCodecF4 ? 16 : codec == lhCodecLossless ? 2048 : 0; }

Error encode(const Encode& job, Launcher* launcher);

struct Combine {
  /// What the sites agreed on. Each blob is of that codec, or of bf16 where its site had to fall back.
  lhCodec_t codec = lhCodecBf16;
  int sites = 0;  ///< 1 to kMostBlobs, in ascending site index
  const std::byte* blobs[kMostBlobs] = {};
  /// Whether a blob is bf16 although `codec` is another. Host memory, read before combine() returns.
  bool fell_back[kMostBlobs] = {};
  std::size_t count = 0;
  Rotation rotation = {};
  std::uint64_t divisor = 1;      ///< an average is divided once, after the sum
  lhDataType_t type = lhFloat32;  ///< of the result: lhFloat32, lhBfloat16, lhFloat16; rounded once
  void* result = nullptr;         ///< `count` values
};

/// Adds up all sites' blobs of the same values in fp32, in site order; a rotating codec's are added up rotated and rotated back once, and
/// what fell back is added after that: what ChunkWork::combine_lossy() does. The host has checked every blob with blob_bytes() of
/// its codec: then no memory beyond it is read.
Error combine(const Combine& job, Launcher* launcher);

}  // namespace longhaul::kernels::gpu
