// SPDX-License-Identifier: Apache-2.0
// Codec r4 as the library runs it: kernels/codecs/rotated/simd-inl.h with R4.
#include "kernels/codecs/dispatch.h"
#include "kernels/codecs/r4/r4.h"
#include "kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/codecs/r4/simd.cpp"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include <hwy/highway.h>

#include "kernels/codecs/rotated/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
const CodecForm* r4_form() { return &kR4Reference; }
#else
const CodecForm* r4_form() {
  static constexpr CodecForm kForm{Rotated<R4>::encode, Rotated<R4>::decode_add, Rotated<R4>::finish};
  return &kForm;
}
#endif

}  // namespace
}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace longhaul::kernels {
namespace {

HWY_EXPORT(r4_form);
const CodecForm* form() { return HWY_DYNAMIC_DISPATCH(r4_form)(); }

}  // namespace

constinit const CodecForm kR4Simd = Dispatched<form>::kRotating;

}  // namespace longhaul::kernels
#endif
