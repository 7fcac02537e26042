// SPDX-License-Identifier: Apache-2.0
// Element-wise reduction as the library runs it: the loops of loops.h compiled for every instruction set, chosen at the first call.
#include "kernels/reduce.h"

#include "kernels/reduce/loops.h"

// Compilers vectorise for these as for the baseline.
#define LH_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduce/reduce.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#ifndef LH_REDUCE_LOOPS
#define LH_REDUCE_LOOPS
namespace longhaul::kernels {
namespace {

struct Loops {
  void (*reduce)(lhDataType_t, const Job&);
  void (*widen_fp16)(const Job&);
  void (*widen_bf16)(const Job&);
  void (*to_fp16)(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor);
  void (*to_bf16)(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor);
  void (*to_fp32)(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor);
};

}  // namespace
}  // namespace longhaul::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

void reduce_int8(const Job& job) { by_operation<Plain<std::int8_t>>(job); }
void reduce_uint8(const Job& job) { by_operation<Plain<std::uint8_t>>(job); }
void reduce_int32(const Job& job) { by_operation<Plain<std::int32_t>>(job); }
void reduce_uint32(const Job& job) { by_operation<Plain<std::uint32_t>>(job); }
void reduce_int64(const Job& job) { by_operation<Plain<std::int64_t>>(job); }
void reduce_uint64(const Job& job) { by_operation<Plain<std::uint64_t>>(job); }
void reduce_fp16(const Job& job) { by_operation<Fp16>(job); }
void reduce_fp32(const Job& job) { by_operation<Plain<float>>(job); }
void reduce_fp64(const Job& job) { by_operation<Plain<double>>(job); }
void reduce_bf16(const Job& job) { by_operation<Bf16>(job); }

void reduce_any(lhDataType_t type, const Job& job) {
  switch (type) {
    case lhInt8:
      return reduce_int8(job);
    case lhUint8:
      return reduce_uint8(job);
    case lhInt32:
      return reduce_int32(job);
    case lhUint32:
      return reduce_uint32(job);
    case lhInt64:
      return reduce_int64(job);
    case lhUint64:
      return reduce_uint64(job);
    case lhFloat16:
      return reduce_fp16(job);
    case lhFloat32:
      return reduce_fp32(job);
    case lhFloat64:
      return reduce_fp64(job);
    case lhBfloat16:
      return reduce_bf16(job);
  }
}

void widen_fp16(const Job& job) { combine_all<Fp16, Plain<float>, Sum>(job); }
void widen_bf16(const Job& job) { combine_all<Bf16, Plain<float>, Sum>(job); }
void to_fp16(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) { divide_all<Fp16>(dst, src, count, divisor); }
void to_bf16(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) { divide_all<Bf16>(dst, src, count, divisor); }
void to_fp32(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) { divide_all<Plain<float>>(dst, src, count, divisor); }

const Loops* reduce_loops() {
  static constexpr Loops kLoops{reduce_any, widen_fp16, widen_bf16, to_fp16, to_bf16, to_fp32};
  return &kLoops;
}

}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul::kernels {
namespace {

HWY_EXPORT(reduce_loops);
const Loops& loops() { return *HWY_DYNAMIC_DISPATCH(reduce_loops)(); }

}  // namespace

std::size_t size_of(lhDataType_t type) {
  switch (type) {
    case lhInt8:
    case lhUint8:
      return 1;
    case lhFloat16:
    case lhBfloat16:
      return 2;
    case lhInt32:
    case lhUint32:
    case lhFloat32:
      return 4;
    case lhInt64:
    case lhUint64:
    case lhFloat64:
      return 8;
  }
  return 0;
}

bool is_codec_float(lhDataType_t type) { return type == lhFloat16 || type == lhFloat32 || type == lhBfloat16; }

void reduce(void* dst, std::span<const void* const> sources, std::size_t count, lhDataType_t type, lhRedOp_t op, std::uint64_t divisor) {
  if (count == 0 || sources.empty()) return;
  const bool divides = op == lhAvg && divisor > 1;
  if (op == lhAvg && !divides) op = lhSum;
  if (sources.size() == 1 && !divides) {
    if (dst != sources[0]) std::memmove(dst, sources[0], count * size_of(type));
    return;
  }
  loops().reduce(type, {static_cast<std::byte*>(dst), sources.data(), sources.size(), count, op, divisor});
}

void sum_to_float(float* dst, std::span<const void* const> sources, std::size_t count, lhDataType_t type) {
  if (count == 0 || sources.empty()) return;
  if (type == lhFloat32) return reduce(dst, sources, count, type, lhSum, 1);
  const Job job{reinterpret_cast<std::byte*>(dst), sources.data(), sources.size(), count, lhSum, 1};
  if (type == lhFloat16) loops().widen_fp16(job);
  if (type == lhBfloat16) loops().widen_bf16(job);
}

void from_float(void* dst, const float* src, std::size_t count, lhDataType_t type, std::uint64_t divisor) {
  auto* out = static_cast<std::byte*>(dst);
  const auto* in = reinterpret_cast<const std::byte*>(src);
  if (type == lhFloat16) return loops().to_fp16(out, in, count, divisor);
  if (type == lhBfloat16) return loops().to_bf16(out, in, count, divisor);
  if (type == lhFloat32 && (divisor > 1 || out != in)) loops().to_fp32(out, in, count, divisor);
}

}  // namespace longhaul::kernels
#endif
