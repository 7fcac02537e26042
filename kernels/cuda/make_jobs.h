// SPDX-License-Identifier: Apache-2.0
// From the caller's words (codec_device.h) to what kernels are told (jobs.h): the one place that knows the layouts of blobs, for launches
// and for the tests that run the kernels' source on the CPU.
#pragma once

#include "kernels/codecs/bf16/bf16.h"
#include "kernels/codecs/f4/f4.h"
#include "kernels/codecs/i8/i8.h"
#include "kernels/codecs/lossless/lossless.h"
#include "kernels/codecs/rotated/rotated.h"
#include "kernels/cuda/codec_device.h"
#include "kernels/cuda/jobs.h"

namespace longhaul::kernels::gpu {

static_assert(kMostBlobs == kMostSources);

inline bool at_16(const void* address) { return reinterpret_cast<std::uintptr_t>(address) % 16 == 0; }
inline bool is_float(lhDataType_t type) { return type == lhFloat32 || type == lhBfloat16 || type == lhFloat16; }
inline std::size_t float_size(lhDataType_t type) { return type == lhFloat32 ? 4 : 2; }
inline bool at_own_size(const void* address, lhDataType_t type) {
  return address && reinterpret_cast<std::uintptr_t>(address) % float_size(type) == 0;
}

/// Where a blob of `count` values has its parts.
struct Layout {
  std::size_t scales, codes_at, coded, size;
};

inline Layout layout_of(lhCodec_t codec, std::size_t count) {
  const auto rotated = [&](std::size_t block, std::size_t codes_at, std::size_t size) {
    return Layout{blocks_of(count, block), codes_at, blocks_of(count, block) * block, size};
  };
  switch (codec) {
    case lhCodecI8:
      return {blocks_of(count, kI8Block), i8_codes_at(count), blocks_of(count, kI8Block) * kI8Block, i8_bytes(count)};
    case lhCodecF4:
      return {blocks_of(count, kF4Block), f4_codes_at(count), (f4_bytes(count) - f4_codes_at(count)) * 2, f4_bytes(count)};
    case lhCodecR4:
      return rotated(R4::kBlock, rotated_codes_at<R4>(count), rotated_bytes<R4>(count));
    case lhCodecR2:
      return rotated(R2::kBlock, rotated_codes_at<R2>(count), rotated_bytes<R2>(count));
    case lhCodecLossless:
      return {0, kLosslessTopsAt, count, lossless_most_bytes(count)};
    default:
      return {0, 0, bf16_bytes(count) / 2, bf16_bytes(count)};
  }
}

inline bool makes_sense(const Encode& job) {
  const bool exact = job.codec == lhCodecLossless, never_refuses = exact || job.codec == lhCodecBf16;
  if (job.codec < lhCodecBf16 || job.codec > lhCodecLossless || !is_float(job.type) || job.count > kMostValues) return false;
  if (exact && !job.bytes) return false;
  if (job.count == 0) return true;
  if (!job.blob || !at_16(job.blob) || !at_own_size(job.values, job.type)) return false;
  if (!never_refuses && !job.refused) return false;
  if (exact && job.residual) return false;
  if (work_bytes(job.codec) > 0 && (!job.work || !at_16(job.work))) return false;
  if (!job.residual != !job.next_residual || (job.residual && job.residual == job.next_residual)) return false;
  return !job.residual || (at_own_size(job.residual, lhBfloat16) && at_own_size(job.next_residual, lhBfloat16));
}

inline bool makes_sense(const Combine& job) {
  if (job.codec < lhCodecBf16 || job.codec > lhCodecLossless || !is_float(job.type) || job.count > kMostValues) return false;
  if (job.sites < 1 || job.sites > kMostBlobs || job.divisor < 1) return false;
  if (job.count == 0) return true;
  if (!at_own_size(job.result, job.type)) return false;
  for (int site = 0; site < job.sites; ++site)
    if (!job.blobs[site] || !at_16(job.blobs[site])) return false;
  return true;
}

inline Signs signs_of(const Rotation& rotation) { return {rotation.key, rotation.operation, rotation.chunk}; }

inline EncodeJob kernel_job(const Encode& job) {
  const Layout layout = layout_of(job.codec, job.count);
  EncodeJob to = {};
  to.values = job.values;
  to.count = job.count;
  to.blob = reinterpret_cast<Bits8*>(job.blob);
  to.scales = layout.scales;
  to.codes_at = layout.codes_at;
  to.coded = layout.coded;
  to.size = layout.size;
  to.work = static_cast<Bits32*>(job.work);
  to.refused = job.refused;
  to.bytes = reinterpret_cast<Bits64*>(job.bytes);
  to.only_if = job.only_if;
  to.residual = job.residual;
  to.next_residual = job.next_residual;
  to.rotation = signs_of(job.rotation);
  to.aligned = at_16(job.values) && at_16(job.residual);
  return to;
}

inline CombineJob kernel_job(const Combine& job) {
  CombineJob to = {};
  for (int site = 0; site < job.sites; ++site) to.sources[site] = {reinterpret_cast<const Bits8*>(job.blobs[site]), job.fell_back[site]};
  to.sites = job.sites;
  to.count = job.count;
  to.codes_at = layout_of(job.codec, job.count).codes_at;
  to.divisor = static_cast<float>(job.divisor);
  to.result = job.result;
  to.rotation = signs_of(job.rotation);
  to.aligned = at_16(job.result);
  return to;
}

}  // namespace longhaul::kernels::gpu
