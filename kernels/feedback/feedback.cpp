// SPDX-License-Identifier: Apache-2.0
// Error feedback as the library runs it: the arithmetic compiled for every instruction set, chosen at the first call.
#include "kernels/feedback.h"

#include "kernels/feedback/arithmetic.h"
#include "kernels/loops.h"
#include "kernels/memory.h"

// Compilers vectorise for these as for the baseline.
#define LH_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4)
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/feedback/feedback.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

void add(const float* values, const std::uint16_t* residual, std::size_t count, float* out) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) store<float>(out, i, with_residual(load<float>(values, i), load<Bits16>(residual, i)));
}

void keep(const float* values, const float* decoded, std::size_t count, std::uint16_t* residual) {
  LH_INDEPENDENT
  for (std::size_t i = 0; i < count; ++i) store<Bits16>(residual, i, residual_of(load<float>(values, i), load<float>(decoded, i)));
}

}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul::kernels {
namespace {

HWY_EXPORT(add);
HWY_EXPORT(keep);

}  // namespace

void add_residual(const float* values, const std::uint16_t* residual, std::size_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(add)(values, residual, count, out);
}

void keep_residual(const float* values, const float* decoded, std::size_t count, std::uint16_t* residual) {
  HWY_DYNAMIC_DISPATCH(keep)(values, decoded, count, residual);
}

}  // namespace longhaul::kernels
#endif
