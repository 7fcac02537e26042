// SPDX-License-Identifier: Apache-2.0
// The Walsh-Hadamard transform in vectors: every sum and difference of the reference, in the same order of stages. Included once for
// every instruction set.
#if defined(LH_ROTATED_HADAMARD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ROTATED_HADAMARD_INL
#undef LH_ROTATED_HADAMARD_INL
#else
#define LH_ROTATED_HADAMARD_INL
#endif

#include "kernels/codecs/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

class Hadamard {
 public:
  using D = hn::CappedTag<float, 8>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());

  /// Stages 1 to 4 * kLanes, of 8 vectors that follow each other.
  static HWY_INLINE void first_stages(V* v) {
    for (int i = 0; i < 8; ++i) v[i] = in_vector(v[i]);
    // Not as a loop over stages: GCC would leave it one, and the vectors in memory.
    pairs<1>(v, 0, 2, 4, 6);
    pairs<2>(v, 0, 1, 4, 5);
    pairs<4>(v, 0, 1, 2, 3);
  }

  /// The stages after those, in place.
  template <std::size_t kBlock>
  static HWY_INLINE void last_stages(float* w) {
    std::size_t h = 8 * kLanes;
    for (; 2 * h < kBlock; h *= 4) {
      for (std::size_t i = 0; i < kBlock; i += 4 * h)
        for (std::size_t j = i; j < i + h; j += kLanes) two_stages(w + j, h);
    }
    if (h >= kBlock) return;
    for (std::size_t j = 0; j < h; j += kLanes) one_stage(w + j, h);
  }

 private:
  static HWY_INLINE void butterfly(V* a, V* b) {
    const V sum = hn::Add(*a, *b);
    *b = hn::Sub(*a, *b);
    *a = sum;
  }
  template <int kDistance>
  static HWY_INLINE void pairs(V* v, int a, int b, int c, int d) {
    butterfly(v + a, v + a + kDistance);
    butterfly(v + b, v + b + kDistance);
    butterfly(v + c, v + c + kDistance);
    butterfly(v + d, v + d + kDistance);
  }
  /// Stages 1, 2 and, in vectors of 8, 4. Where a lane is the second of its pair, a + (-b) is a - b.
  static HWY_INLINE V in_vector(V v) {
    v = hn::Add(negate<1>(v), hn::Shuffle2301(v));
    v = hn::Add(negate<2>(v), hn::Shuffle1032(v));
    if constexpr (kLanes == 8) v = hn::Add(negate<4>(v), hn::ConcatLowerUpper(D(), v, v));
    return v;
  }
  /// Changes the sign of the lanes whose number has that bit.
  template <int kBit>
  static HWY_INLINE V negate(V v) {
    const hn::RebindToUnsigned<D> du;
    const auto bit = hn::And(hn::Iota(du, 0), hn::Set(du, kBit));
    return hn::Xor(v, hn::BitCast(D(), hn::ShiftLeft < kBit == 1 ? 31 : kBit == 2 ? 30 : 29 > (bit)));
  }
  static HWY_INLINE void two_stages(float* w, std::size_t h) {
    const D d;
    V a = hn::LoadU(d, w), b = hn::LoadU(d, w + h), c = hn::LoadU(d, w + 2 * h), e = hn::LoadU(d, w + 3 * h);
    butterfly(&a, &b);
    butterfly(&c, &e);
    butterfly(&a, &c);
    butterfly(&b, &e);
    hn::StoreU(a, d, w);
    hn::StoreU(b, d, w + h);
    hn::StoreU(c, d, w + 2 * h);
    hn::StoreU(e, d, w + 3 * h);
  }
  static HWY_INLINE void one_stage(float* w, std::size_t h) {
    const D d;
    V a = hn::LoadU(d, w), b = hn::LoadU(d, w + h);
    butterfly(&a, &b);
    hn::StoreU(a, d, w);
    hn::StoreU(b, d, w + h);
  }
};

#endif

}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
