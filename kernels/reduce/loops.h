// SPDX-License-Identifier: Apache-2.0
// The loops of reduce.cpp, to be inlined into functions of every instruction set. One and two sources go straight to dst; more are
// combined block by block in a buffer that stays in L1, so every source is read once and dst written once. dst is written only
// after all sources of a block were read, which is what makes dst == source legal.
#pragma once

#include <longhaul/longhaul.h>

#include "kernels/reduce/elements.h"

namespace longhaul::kernels {

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

}  // namespace longhaul::kernels
