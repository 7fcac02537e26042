// SPDX-License-Identifier: Apache-2.0
// What the SIMD forms share. Included once for every instruction set.
#if defined(LH_CODECS_VECTORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_CODECS_VECTORS_INL
#undef LH_CODECS_VECTORS_INL
#else
#define LH_CODECS_VECTORS_INL
#endif

#include <hwy/highway.h>

#include "kernels/shared.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR

/// a < b of numbers below 2^31: unsigned comparisons cost more before AVX-512.
template <class D, class V>
HWY_INLINE auto less(D d, V a, V b) {
  const hn::RebindToSigned<D> di;
  return hn::RebindMask(d, hn::Lt(hn::BitCast(di, a), hn::BitCast(di, b)));
}

template <class D, class V>
HWY_INLINE V canonical(D d, V v) {
  return hn::IfThenElse(hn::Eq(v, v), v, hn::BitCast(d, hn::Set(hn::RebindToUnsigned<D>(), kQuietNan)));
}

/// Largest magnitude of values whose count is a multiple of 2 * Lanes.
HWY_INLINE Bits32 largest_magnitude(const float* in, std::size_t count) {
  const hn::CappedTag<float, 8> df;
  const hn::RebindToSigned<decltype(df)> di;
  const auto mask = hn::Set(di, 0x7fffffff);
  auto even = hn::Zero(di), odd = hn::Zero(di);
  for (std::size_t i = 0; i < count; i += 2 * hn::Lanes(df)) {
    even = hn::Max(even, hn::And(mask, hn::BitCast(di, hn::LoadU(df, in + i))));
    odd = hn::Max(odd, hn::And(mask, hn::BitCast(di, hn::LoadU(df, in + i + hn::Lanes(df)))));
  }
  return static_cast<Bits32>(hn::GetLane(hn::MaxOfLanes(di, hn::Max(even, odd))));
}

#endif

}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
