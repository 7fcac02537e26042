// SPDX-License-Identifier: Apache-2.0
// encode() and combine() of kernels/cuda/codec_device.h without a GPU: the kernels' source, run warp by warp on the CPU.
#pragma once

#include <vector>

#include "kernels/cuda/make_jobs.h"
#include "kernels/cuda/sweep.h"
#include "support/warp_host.h"

namespace longhaul::test {

namespace gpu = kernels::gpu;

/// How the warps of a launch run: so many, in either order, their lanes in either order.
struct HostLaunch {
  std::uint64_t warps = 1;
  bool backwards = false;

  template <typename Step>
  void each_warp(const Step& step) const {
    for (std::uint64_t i = 0; i < warps; ++i) step(HostWarp(backwards), gpu::Place{backwards ? warps - 1 - i : i, warps});
  }
};

template <typename Step>
void with_type(lhDataType_t type, const Step& step) {
  if (type == lhFloat32) step(gpu::Fp32{});
  if (type == lhBfloat16) step(gpu::Bf16{});
  if (type == lhFloat16) step(gpu::Fp16{});
}

template <typename Step>
void with_codec(lhCodec_t codec, const Step& step) {
  if (codec == lhCodecBf16) step(gpu::Plain<gpu::Bf16Warp>{});
  if (codec == lhCodecI8) step(gpu::Plain<gpu::I8Warp>{});
  if (codec == lhCodecF4) step(gpu::Plain<gpu::F4Warp>{});
  if (codec == lhCodecR4) step(gpu::Rotated<kernels::R4>{});
  if (codec == lhCodecR2) step(gpu::Rotated<kernels::R2>{});
}

template <typename T>
void encode_lossless(const gpu::EncodeJob& job, const HostLaunch& launch) {
  *reinterpret_cast<gpu::LosslessWork*>(job.work) = {};
  launch.each_warp([&](const HostWarp& warp, gpu::Place place) { gpu::survey_all<HostWarp, T>(warp, job, place); });
  gpu::lossless_code<HostWarp, T>(HostWarp(launch.backwards), job);
  launch.each_warp([&](const HostWarp& warp, gpu::Place place) { gpu::write_rest<HostWarp, T>(warp, job, place); });
}

/// A block with a warp a site; between the two loops its warps meet.
template <typename T>
void combine_lossless(const gpu::CombineJob& job, const HostWarp& warp) {
  std::vector<gpu::LosslessReader<HostWarp>> readers(static_cast<std::size_t>(job.sites));
  std::vector<float> values(readers.size() * gpu::kReadTile);
  const auto warps = static_cast<Bits32>(job.sites);
  for (Bits32 site = 0; site < warps; ++site) readers[site].open(warp, job.sources[site], job.count);
  for (std::uint64_t tile = 0; tile * gpu::kReadTile < job.count; ++tile) {
    for (Bits32 site = 0; site < warps; ++site) readers[site].read(warp, tile, values.data() + site * gpu::kReadTile);
    for (Bits32 own = 0; own < warps; ++own) gpu::add_tile<HostWarp, T>(warp, job, tile, values.data(), own, warps);
  }
}

template <bool kFeedback, typename T>
void encode_as(const gpu::Encode& encode, const gpu::EncodeJob& job, const HostLaunch& launch) {
  if (encode.codec == lhCodecF4) {
    *job.work = 0;
    launch.each_warp([&](const HostWarp& warp, gpu::Place place) { gpu::find_largest<HostWarp, T, kFeedback>(warp, job, place); });
  }
  if constexpr (!kFeedback) {
    if (encode.codec == lhCodecLossless) return encode_lossless<T>(job, launch);
  }
  with_codec(encode.codec, [&](auto codec) {
    launch.each_warp([&](const HostWarp& warp, gpu::Place place) { codec.template encode<HostWarp, T, kFeedback>(warp, job, place); });
  });
}

/// False: the arguments make no sense.
inline bool encode_on_host(const gpu::Encode& encode, const HostLaunch& launch) {
  if (!gpu::makes_sense(encode)) return false;
  if (encode.only_if && *encode.only_if == 0) return true;
  const gpu::EncodeJob job = gpu::kernel_job(encode);
  if (encode.bytes) *encode.bytes = job.size;
  if (job.count == 0) return true;
  with_type(encode.type, [&](auto type) {
    if (encode.residual)
      encode_as<true, decltype(type)>(encode, job, launch);
    else
      encode_as<false, decltype(type)>(encode, job, launch);
  });
  return true;
}

inline bool combine_on_host(const gpu::Combine& combine, const HostLaunch& launch) {
  if (!gpu::makes_sense(combine)) return false;
  const gpu::CombineJob job = gpu::kernel_job(combine);
  if (job.count == 0) return true;
  with_type(combine.type, [&](auto type) {
    if (combine.codec == lhCodecLossless) combine_lossless<decltype(type)>(job, HostWarp(launch.backwards));
    with_codec(combine.codec, [&](auto codec) {
      launch.each_warp([&](const HostWarp& warp, gpu::Place place) { codec.template combine<HostWarp, decltype(type)>(warp, job, place); });
    });
  });
  return true;
}

}  // namespace longhaul::test
