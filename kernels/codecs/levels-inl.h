// SPDX-License-Identifier: Apache-2.0
// Packing of 4- and 2-bit codes and their expansion to levels. Included once for every instruction set.
#if defined(LH_CODECS_LEVELS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_CODECS_LEVELS_INL
#undef LH_CODECS_LEVELS_INL
#else
#define LH_CODECS_LEVELS_INL
#endif

#include "kernels/codecs/vectors-inl.h"
#include "kernels/memory.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

/// Packs `count` codes of a byte each, a multiple of 32, to kBits each, the first in the lowest bits.
template <std::size_t kBits>
HWY_INLINE void pack_codes(const Bits8* codes, std::size_t count, std::byte* out) {
  static_assert(kBits == 4 || kBits == 2);
  using Group = hwy::UnsignedFromSize<8 / kBits>;  // the codes of one byte
  const hn::CappedTag<Group, 16 / sizeof(Group)> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  for (std::size_t i = 0; i < count / sizeof(Group); i += hn::Lanes(d)) {
    auto v = hn::LoadU(d, reinterpret_cast<const Group*>(codes) + i);
    v = hn::Or(v, hn::ShiftRight<8 - kBits>(v));
    if constexpr (kBits == 2) v = hn::Or(v, hn::ShiftRight<2 * (8 - kBits)>(v));
    hn::StoreU(hn::TruncateTo(d8, v), d8, reinterpret_cast<std::uint8_t*>(out) + i);
  }
}

/// Levels of `kLanes` codes (a code's sign is the bit above its level), from a table of 2^(kBits - 1), which has room for 8.
template <std::size_t kBits>
class Expand {
 public:
  using D = hn::CappedTag<float, 8>;
  using DU = hn::RebindToUnsigned<D>;
  static constexpr std::size_t kLanes = hn::MaxLanes(D());
  static constexpr std::size_t kBytes = kLanes * kBits / 8;  // of the codes of one vector

  HWY_INLINE explicit Expand(const float* table) : shifts_(hn::Mul(hn::Iota(DU(), 0), hn::Set(DU(), kBits))) {
    low_ = kBits == 2 ? hn::Set(D(), table[0]) : hn::LoadU(D(), table);
    high_ = kBits == 2 ? hn::Set(D(), table[1]) : kLanes == 8 ? low_ : hn::LoadU(D(), table + 4);
  }
  HWY_INLINE hn::Vec<D> operator()(const std::byte* codes) const {
    Bits32 word = 0;
    std::memcpy(&word, codes, kBytes);
    const auto code = hn::Shr(hn::Set(DU(), word), shifts_);
    const auto sign = hn::And(hn::ShiftLeft<32 - kBits>(code), hn::Set(DU(), kSignBit));
    return hn::Xor(level(code), hn::BitCast(D(), sign));
  }

 private:
  HWY_INLINE hn::Vec<D> level(hn::Vec<DU> code) const {
    const DU du;
    if constexpr (kBits == 2) {
      const auto second = hn::Ne(hn::And(code, hn::Set(du, 1)), hn::Zero(du));
      return hn::IfThenElse(hn::RebindMask(D(), second), high_, low_);
    } else if constexpr (kLanes == 8) {
      return hn::TableLookupLanes(low_, hn::IndicesFromVec(D(), hn::And(code, hn::Set(du, 7))));
    } else {
      const auto index = hn::IndicesFromVec(D(), hn::And(code, hn::Set(du, 3)));
      const auto upper = hn::Ne(hn::And(code, hn::Set(du, 4)), hn::Zero(du));
      return hn::IfThenElse(hn::RebindMask(D(), upper), hn::TableLookupLanes(high_, index), hn::TableLookupLanes(low_, index));
    }
  }

  hn::Vec<DU> shifts_;
  hn::Vec<D> low_, high_;
};

#endif

}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
