// SPDX-License-Identifier: Apache-2.0
// What all warps of a launch do together, codec by codec: each takes every n-th group or block. Run by a kernel with DeviceWarp, and
// by the tests with a warp on the CPU.
#pragma once

#include "kernels/codecs/f4/warp.h"
#include "kernels/codecs/i8/warp.h"
#include "kernels/codecs/lossless/warp_decode.h"
#include "kernels/codecs/lossless/warp_encode.h"
#include "kernels/codecs/rotated/warp_block.h"
#include "kernels/cuda/plain.h"

namespace longhaul::kernels::gpu {

/// This warp's number, and how many there are.
struct Place {
  Bits64 warp, warps;
};

/// Whether there is something to do at all.
LH_WARP bool is_wanted(const EncodeJob& job) { return !job.only_if || *job.only_if != 0; }

LH_SHARED Bits64 steps_of(Bits64 count, Bits64 each) { return (count + each - 1) / each; }

/// Codecs bf16, i8 and f4.
template <typename C>
struct Plain {
  static constexpr int kBlocks = 4;  ///< of 256 threads that a multiprocessor is to hold: 64 registers each, at most
  static LH_SHARED Bits64 steps(Bits64 count) { return steps_of(count, kGroup); }

  template <typename W, typename T, bool kFeedback>
  static LH_WARP void encode(const W& warp, const EncodeJob& job, Place place) {
    for (Bits64 group = place.warp; group < steps(job.count); group += place.warps) encode_group<W, C, T, kFeedback>(warp, job, group);
    if constexpr (requires { typename C::Scale; })
      if (place.warp == 0) pad_scales<W, typename C::Scale>(warp, job, C::kScalesAt);
  }
  template <typename W, typename T>
  static LH_WARP void combine(const W& warp, const CombineJob& job, Place place) {
    for (Bits64 group = place.warp; group < steps(job.count); group += place.warps) combine_group<W, C, T>(warp, job, group);
  }
};

/// Codecs r4 and r2.
template <typename R>
struct Rotated {
  static constexpr int kBlocks = R::kBlock > 256 ? 1 : 4;  ///< as above; a lane of r2 has 32 values
  static LH_SHARED Bits64 steps(Bits64 count) { return steps_of(count, R::kBlock); }

  template <typename W, typename T, bool kFeedback>
  static LH_WARP void encode(const W& warp, const EncodeJob& job, Place place) {
    typename W::template Lanes<Bits32> signs;
    signs_of<W, R>(warp, job.rotation, signs);
    for (Bits64 block = place.warp; block < steps(job.count); block += place.warps) encode_block<W, R, T, kFeedback>(warp, job, block, signs);
  }
  template <typename W, typename T>
  static LH_WARP void combine(const W& warp, const CombineJob& job, Place place) {
    typename W::template Lanes<Bits32> signs;
    signs_of<W, R>(warp, job.rotation, signs);
    for (Bits64 block = place.warp; block < steps(job.count); block += place.warps) combine_block<W, R, T>(warp, job, block, signs);
  }
};

/// The first pass of f4: the largest of all values, to `work`, which held 0.
template <typename W, typename T, bool kFeedback>
LH_WARP void find_largest(const W& warp, const EncodeJob& job, Place place) {
  Bits32 largest = 0;
  for (Bits64 group = place.warp; group < steps_of(job.count, kGroup); group += place.warps)
    largest = larger(largest, f4_largest<W, T, kFeedback>(warp, job, group));
  warp.each([&](Bits32 lane) {
    if (lane == 0) W::raise(job.work, largest);
  });
}

/// The first and the third pass of lossless; the second is lossless_code(), by one warp.
template <typename W, typename T>
LH_WARP void survey_all(const W& warp, const EncodeJob& job, Place place) {
  for (Bits64 group = place.warp; group < steps_of(job.count, kGroup); group += place.warps) lossless_survey<W, T>(warp, job, group);
}
template <typename W, typename T>
LH_WARP void write_rest(const W& warp, const EncodeJob& job, Place place) {
  for (Bits64 group = place.warp; group < steps_of(job.count, kGroup); group += place.warps) lossless_rest<W, T>(warp, job, group);
}

}  // namespace longhaul::kernels::gpu
