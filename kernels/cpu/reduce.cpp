// SPDX-License-Identifier: Apache-2.0
// Element-wise reduction as the library runs it. One and two sources go straight to dst; more are combined block by
// block in a buffer that stays in L1, so every source is read once and dst written once. dst is written only after all
// sources of a block were read, which is what makes dst == source legal.
#include "kernels/reduce.h"

#include "kernels/cpu/elements.h"

namespace longhaul::kernels {
namespace {

constexpr std::size_t kBlock = 2048;

/// The arguments of reduce() without std:: types, whose members would be calls into baseline code from a clone.
struct Job {
  std::byte* dst;
  const void* const* sources;
  std::size_t source_count;  ///< > 0
  std::size_t count;
  lhRedOp_t op;
  std::uint64_t divisor;  ///< > 1 where op is lhAvg
};

template <typename In>
LH_INLINE const std::byte* source_at(const Job& job, std::size_t source, std::size_t begin) {
  return static_cast<const std::byte*>(job.sources[source]) + begin * In::kBytes;
}

template <typename In, typename Out, typename Op>
LH_INLINE void combine_one(const Job& job) {
  const std::byte* a = source_at<In>(job, 0, 0);
  std::byte* dst = job.dst;
  const std::size_t count = job.count;
  const std::uint64_t divisor = job.divisor;
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) Out::write(dst, i, Op::finish(In::read(a, i), divisor));
}

template <typename In, typename Out, typename Op>
LH_INLINE void combine_two(const Job& job) {
  const std::byte* a = source_at<In>(job, 0, 0);
  const std::byte* b = source_at<In>(job, 1, 0);
  std::byte* dst = job.dst;
  const std::size_t count = job.count;
  const std::uint64_t divisor = job.divisor;
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    Out::write(dst, i, Op::finish(Op::combine(In::read(a, i), In::read(b, i)), divisor));
  }
}

/// One block of three or more sources.
template <typename In, typename Out, typename Op>
LH_INLINE void combine_block(const Job& job, std::size_t begin, std::size_t count, typename In::Work* partial) {
  const std::byte* a = source_at<In>(job, 0, begin);
  const std::byte* b = source_at<In>(job, 1, begin);
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) partial[i] = Op::combine(In::read(a, i), In::read(b, i));
  for (std::size_t source = 2; source + 1 < job.source_count; ++source) {
    const std::byte* next = source_at<In>(job, source, begin);
    LH_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) partial[i] = Op::combine(partial[i], In::read(next, i));
  }
  const std::byte* last = source_at<In>(job, job.source_count - 1, begin);
  std::byte* dst = job.dst + begin * Out::kBytes;
  const std::uint64_t divisor = job.divisor;
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) {
    Out::write(dst, i, Op::finish(Op::combine(partial[i], In::read(last, i)), divisor));
  }
}

template <typename In, typename Out, typename Op>
LH_INLINE void combine_all(const Job& job) {
  if (job.source_count == 1) return combine_one<In, Out, Op>(job);
  if (job.source_count == 2) return combine_two<In, Out, Op>(job);
  alignas(64) typename In::Work partial[kBlock];
  for (std::size_t begin = 0; begin < job.count; begin += kBlock) {
    const std::size_t left = job.count - begin;
    combine_block<In, Out, Op>(job, begin, left < kBlock ? left : kBlock, partial);
  }
}

template <typename Element>
LH_INLINE void by_operation(const Job& job) {
  switch (job.op) {
    case lhSum:
      return combine_all<Element, Element, Sum>(job);
    case lhProd:
      return combine_all<Element, Element, Prod>(job);
    case lhMax:
      return combine_all<Element, Element, Max>(job);
    case lhMin:
      return combine_all<Element, Element, Min>(job);
    case lhAvg:
      return combine_all<Element, Element, Avg>(job);
  }
}

template <typename Out>
LH_INLINE void divide_all(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) {
  if (divisor <= 1) {
    LH_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) Out::write(dst, i, load<float>(src, i));
  } else {
    LH_INDEPENDENT
    for (std::size_t i = 0; i < count; ++i) Out::write(dst, i, Avg::finish(load<float>(src, i), divisor));
  }
}

// One function per type: what is compiled per instruction set.
LH_TARGET_CLONES void reduce_int8_job(const Job& job) { by_operation<Plain<std::int8_t>>(job); }
LH_TARGET_CLONES void reduce_uint8_job(const Job& job) { by_operation<Plain<std::uint8_t>>(job); }
LH_TARGET_CLONES void reduce_int32_job(const Job& job) { by_operation<Plain<std::int32_t>>(job); }
LH_TARGET_CLONES void reduce_uint32_job(const Job& job) { by_operation<Plain<std::uint32_t>>(job); }
LH_TARGET_CLONES void reduce_int64_job(const Job& job) { by_operation<Plain<std::int64_t>>(job); }
LH_TARGET_CLONES void reduce_uint64_job(const Job& job) { by_operation<Plain<std::uint64_t>>(job); }
LH_TARGET_CLONES void reduce_fp16_job(const Job& job) { by_operation<Fp16>(job); }
LH_TARGET_CLONES void reduce_fp32_job(const Job& job) { by_operation<Plain<float>>(job); }
LH_TARGET_CLONES void reduce_fp64_job(const Job& job) { by_operation<Plain<double>>(job); }
LH_TARGET_CLONES void reduce_bf16_job(const Job& job) { by_operation<Bf16>(job); }
LH_TARGET_CLONES void widen_fp16_job(const Job& job) { combine_all<Fp16, Plain<float>, Sum>(job); }
LH_TARGET_CLONES void widen_bf16_job(const Job& job) { combine_all<Bf16, Plain<float>, Sum>(job); }

LH_TARGET_CLONES void narrow_to_fp16(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) {
  divide_all<Fp16>(dst, src, count, divisor);
}
LH_TARGET_CLONES void narrow_to_bf16(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) {
  divide_all<Bf16>(dst, src, count, divisor);
}
LH_TARGET_CLONES void divide_fp32(std::byte* dst, const std::byte* src, std::size_t count, std::uint64_t divisor) {
  divide_all<Plain<float>>(dst, src, count, divisor);
}

void by_type(lhDataType_t type, const Job& job) {
  switch (type) {
    case lhInt8:
      return reduce_int8_job(job);
    case lhUint8:
      return reduce_uint8_job(job);
    case lhInt32:
      return reduce_int32_job(job);
    case lhUint32:
      return reduce_uint32_job(job);
    case lhInt64:
      return reduce_int64_job(job);
    case lhUint64:
      return reduce_uint64_job(job);
    case lhFloat16:
      return reduce_fp16_job(job);
    case lhFloat32:
      return reduce_fp32_job(job);
    case lhFloat64:
      return reduce_fp64_job(job);
    case lhBfloat16:
      return reduce_bf16_job(job);
  }
}

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

void reduce(void* dst, std::span<const void* const> sources, std::size_t count, lhDataType_t type, lhRedOp_t op,
            std::uint64_t divisor) {
  if (count == 0 || sources.empty()) return;
  const bool divides = op == lhAvg && divisor > 1;
  if (op == lhAvg && !divides) op = lhSum;
  if (sources.size() == 1 && !divides) {
    if (dst != sources[0]) std::memmove(dst, sources[0], count * size_of(type));
    return;
  }
  by_type(type, {static_cast<std::byte*>(dst), sources.data(), sources.size(), count, op, divisor});
}

void sum_to_float(float* dst, std::span<const void* const> sources, std::size_t count, lhDataType_t type) {
  if (count == 0 || sources.empty()) return;
  if (type == lhFloat32) return reduce(dst, sources, count, type, lhSum, 1);
  const Job job{reinterpret_cast<std::byte*>(dst), sources.data(), sources.size(), count, lhSum, 1};
  if (type == lhFloat16) widen_fp16_job(job);
  if (type == lhBfloat16) widen_bf16_job(job);
}

void from_float(void* dst, const float* src, std::size_t count, lhDataType_t type, std::uint64_t divisor) {
  auto* out = static_cast<std::byte*>(dst);
  const auto* in = reinterpret_cast<const std::byte*>(src);
  if (type == lhFloat16) return narrow_to_fp16(out, in, count, divisor);
  if (type == lhBfloat16) return narrow_to_bf16(out, in, count, divisor);
  if (type == lhFloat32 && (divisor > 1 || out != in)) divide_fp32(out, in, count, divisor);
}

}  // namespace longhaul::kernels
