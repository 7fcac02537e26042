// SPDX-License-Identifier: Apache-2.0
// Codec r2 as the library runs it: kernels/codecs/rotated/simd-inl.h with R2.
#include "kernels/codecs/dispatch.h"
#include "kernels/codecs/r2/r2.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/r2/simd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include "kernels/codecs/rotated/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* r2_form() { return &kR2Reference; }
#else
const CodecForm* r2_form() {
  static constexpr CodecForm kForm{Rotated<R2>::encode, Rotated<R2>::decode_add, Rotated<R2>::finish};
  return &kForm;
}
#endif

}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul::kernels {
namespace {

HWY_EXPORT(r2_form);
const CodecForm* form() { return HWY_DYNAMIC_DISPATCH(r2_form)(); }

}  // namespace

constinit const CodecForm kR2Simd = Dispatched<form>::kRotating;

}  // namespace longhaul::kernels
#endif
