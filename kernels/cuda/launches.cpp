// SPDX-License-Identifier: Apache-2.0
// Which kernels does a codec run on a GPU, in which order, with how many threads? The arguments are checked here, once for all codecs.
#include <algorithm>
#include <iterator>
#include <string_view>

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/make_jobs.h"

namespace longhaul::kernels::gpu {
namespace {

constexpr unsigned kLanesOfWarp = 32, kThreadsOfBlock = 256;
constexpr std::uint64_t kValuesOfStep = 256;  ///< of a warp's step; of codecs that rotate: a block of theirs

#define LH_NUMBER(name, ...) k_##name,
enum Number : unsigned { LH_GPU_KERNELS(LH_NUMBER) kKernels };
#undef LH_NUMBER

#define LH_NAME(name, ...) "lh_" #name,
constexpr const char* kNames[] = {LH_GPU_KERNELS(LH_NAME)};
#undef LH_NAME
static_assert(std::size(kNames) == kKernels);

/// The first kernels of a codec for each purpose, and the values of a warp's step.
struct Form {
  Number encode, combine;
  std::uint64_t step;
};

constexpr Form form_of(lhCodec_t codec) {
  switch (codec) {
    case lhCodecI8:
      return {k_i8_encode_f32, k_i8_combine_f32, kValuesOfStep};
    case lhCodecR4:
      return {k_r4_encode_f32, k_r4_combine_f32, R4::kBlock};
    case lhCodecF4:
      return {k_f4_encode_f32, k_f4_combine_f32, kValuesOfStep};
    case lhCodecR2:
      return {k_r2_encode_f32, k_r2_combine_f32, R2::kBlock};
    default:
      return {k_bf16_encode_f32, k_bf16_combine_f32, kValuesOfStep};
  }
}

/// In the order of the lists.
unsigned index_of(lhDataType_t type) { return type == lhFloat32 ? 0 : type == lhBfloat16 ? 1 : 2; }

/// A kernel whose warps take `steps` steps together: no more blocks than that needs, or than are of use.
Error sweep(unsigned kernel, std::uint64_t steps, const void* job, Launcher* launcher) {
  const std::uint64_t needed = blocks_of(steps, kThreadsOfBlock / kLanesOfWarp);
  return launcher->launch(kernel, static_cast<unsigned>(std::min<std::uint64_t>(needed, launcher->most_blocks())), kThreadsOfBlock, job);
}

Error encode_lossless(const EncodeJob& job, unsigned type, Launcher* launcher) {
  const std::uint64_t groups = blocks_of(job.count, kValuesOfStep);
  if (const Error error = launcher->zero(job.work, work_bytes(lhCodecLossless))) return error;
  if (const Error error = sweep(k_lossless_survey_f32 + type, groups, &job, launcher)) return error;
  if (const Error error = launcher->launch(k_lossless_code_f32 + type, 1, kLanesOfWarp, &job)) return error;
  return sweep(k_lossless_rest_f32 + type, groups, &job, launcher);
}

}  // namespace

Error rehearse(const std::uint32_t* zero, Launcher* launcher) {
  EncodeJob encode = {};
  encode.only_if = zero;
  CombineJob combine = {};
  for (unsigned number = 0; number < kKernels; ++number) {
    const bool combines = std::string_view(kNames[number]).find("_combine_") != std::string_view::npos;
    const void* job = combines ? static_cast<const void*>(&combine) : &encode;
    if (const Error error = launcher->launch(number, 1, kLanesOfWarp, job)) return error;
  }
  return kSuccess;
}

const char* kernel_name(unsigned number) { return number < kKernels ? kNames[number] : nullptr; }

Error encode(const Encode& job, Launcher* launcher) {
  if (!makes_sense(job)) return kMakesNoSense;
  if (job.count == 0) return job.bytes ? launcher->zero(job.bytes, sizeof *job.bytes) : kSuccess;
  const EncodeJob to = kernel_job(job);
  const unsigned type = index_of(job.type), variant = 2 * type + (job.residual ? 1 : 0);
  if (job.codec == lhCodecLossless) return encode_lossless(to, type, launcher);
  const Form form = form_of(job.codec);
  const std::uint64_t steps = blocks_of(job.count, form.step);
  if (job.codec == lhCodecF4) {  // the largest of all values comes first
    if (const Error error = launcher->zero(job.work, sizeof(Bits32))) return error;
    if (const Error error = sweep(k_f4_largest_f32 + variant, steps, &to, launcher)) return error;
  }
  return sweep(form.encode + variant, steps, &to, launcher);
}

Error combine(const Combine& job, Launcher* launcher) {
  if (!makes_sense(job)) return kMakesNoSense;
  if (job.count == 0) return kSuccess;
  const CombineJob to = kernel_job(job);
  const unsigned type = index_of(job.type);
  if (job.codec == lhCodecLossless)  // one chain of states a blob: a warp for each site
    return launcher->launch(k_lossless_combine_f32 + type, 1, static_cast<unsigned>(job.sites) * kLanesOfWarp, &to);
  const Form form = form_of(job.codec);
  return sweep(form.combine + type, blocks_of(job.count, form.step), &to, launcher);
}

}  // namespace longhaul::kernels::gpu
