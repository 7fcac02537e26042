// SPDX-License-Identifier: Apache-2.0
// The codecs that do not rotate, 256 values a warp: each lane has 8 that follow each other. What is particular to a codec is in its
// folder (kernels/codecs/<name>/warp.h); here is what they share: reading, error feedback, adding up the sites, writing.
#pragma once

#include "kernels/codecs/bf16/warp.h"
#include "kernels/cuda/jobs.h"
#include "kernels/cuda/octets.h"

namespace longhaul::kernels::gpu {

constexpr Bits64 kGroup = 256;  ///< values of a warp's step

/// Scales of whole groups are all written; behind the last there may be room up to the codes.
template <typename W, typename Scale>
LH_WARP void pad_scales(const W& warp, const EncodeJob& job, Bits64 from) {
  const Bits64 room = (job.codes_at - from) / sizeof(Scale);
  warp.each([&](Bits32 lane) {
    for (Bits64 i = job.scales + lane; i < room; i += kLanes) W::template store<Scale>(job.blob + from + i * sizeof(Scale), Scale{0});
  });
}

/// Group `group` of the values, as codec C. With feedback also what was lost.
template <typename W, typename C, typename T, bool kFeedback>
LH_WARP void encode_group(const W& warp, const EncodeJob& job, Bits64 group) {
  typename W::template Lanes<Octet> x, decoded;
  warp.each([&](Bits32 lane) { x[lane] = octet_at<W, T, kFeedback>(job, group * kGroup + lane * Octet::kSize); });
  C::template encode<W, kFeedback>(warp, job, group, x, decoded);
  if constexpr (kFeedback) warp.each([&](Bits32 lane) { keep_octet<W>(job, group * kGroup + lane * Octet::kSize, x[lane], decoded[lane]); });
}

/// Group `group` of all sites' sum.
template <typename W, typename C, typename T>
LH_WARP void combine_group(const W& warp, const CombineJob& job, Bits64 group) {
  warp.each([&](Bits32 lane) {
    const Bits64 begin = group * kGroup + lane * Octet::kSize;
    if (begin >= job.count) return;
    Octet sum = {};
    for (int site = 0; site < job.sites; ++site) {
      const Source source = job.sources[site];
      const Octet value = source.fell_back ? Bf16Warp::decode<W>(source.blob, 0, begin) : C::template decode<W>(source.blob, job.codes_at, begin);
      LH_UNROLL
      for (Bits32 i = 0; i < Octet::kSize; ++i) sum[i] = added(site == 0, sum[i], value[i]);
    }
    put_octet<W, T>(job, begin, sum);
  });
}

}  // namespace longhaul::kernels::gpu
