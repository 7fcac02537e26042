// SPDX-License-Identifier: Apache-2.0
// The codecs on a GPU: the same bytes as kernels/codecs, both directions. Plain C++ without CUDA types; a stream is a cudaStream_t (or
// CUstream) passed as void*, null for the default stream. Linked where LH_HAVE_CUDA is set (target lh_cuda_codecs).
//
// Every function here only enqueues: it allocates nothing, waits for nothing, keeps no pointer after the stream has passed, and may
// be captured into a graph. It runs on the device that is current in the calling thread and may be called by any thread. Memory is
// of the device, or pinned and mapped host memory, and stays valid until the stream has passed. Blobs and `work` lie at multiples
// of 16 bytes, values at multiples of their own size (16 is faster). Buffers do not overlap but where said.
#pragma once

#include <longhaul/longhaul.h>

#include <cstddef>
#include <cstdint>

#include "kernels/codecs/codec.h"

namespace longhaul::kernels::gpu {

/// cudaError_t: 0 is success. Text: error_text(). Arguments that make no sense give 1 (cudaErrorInvalidValue) and enqueue nothing.
using Error = int;

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

Error encode(const Encode& job, void* stream);

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
Error combine(const Combine& job, void* stream);

/// Text of an error, of static storage.
const char* error_text(Error error);

}  // namespace longhaul::kernels::gpu
