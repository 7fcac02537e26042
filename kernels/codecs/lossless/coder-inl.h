// SPDX-License-Identifier: Apache-2.0
// The rANS coder on vectors of states: lanes that give off or take in a word do so in the order of the reference. Included once for
// every instruction set.
#if defined(LH_LOSSLESS_CODER_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_LOSSLESS_CODER_INL
#undef LH_LOSSLESS_CODER_INL
#else
#define LH_LOSSLESS_CODER_INL
#endif

#include "kernels/codecs/lossless/lossless.h"
#include "kernels/codecs/vectors-inl.h"
#include "kernels/memory.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

using StateTag = hn::CappedTag<std::uint32_t, 8>;
using States = hn::Vec<StateTag>;
const StateTag du;
const hn::RebindToFloat<StateTag> df;
const hn::Rebind<std::uint8_t, StateTag> du8;
const hn::Rebind<std::uint16_t, StateTag> du16;
constexpr std::size_t kStateLanes = hn::MaxLanes(StateTag());
constexpr std::size_t kVectors = kLosslessStates / kStateLanes;  // of one step: a value for every state
constexpr std::size_t kStepBytes = 2 * kLosslessStates;          // most that one step gives off or takes in

/// For every set of lanes: which lane goes to which place.
struct LaneTable {
  Bits8 lane[1 << kStateLanes][kStateLanes] = {};
};

/// The lanes of the set, in order, at the end of the vector.
constexpr LaneTable gathered_at_end() {
  LaneTable table;
  for (std::size_t set = 0; set < 1 << kStateLanes; ++set) {
    std::size_t to = kStateLanes;
    for (std::size_t lane = kStateLanes; lane-- > 0;)
      if (set >> lane & 1) table.lane[set][--to] = static_cast<Bits8>(lane);
  }
  return table;
}

/// To every lane of the set its share of a vector that begins with what they get.
constexpr LaneTable spread_from_start() {
  LaneTable table;
  for (std::size_t set = 0; set < 1 << kStateLanes; ++set) {
    std::size_t from = 0;
    for (std::size_t lane = 0; lane < kStateLanes; ++lane)
      if (set >> lane & 1) table.lane[set][lane] = static_cast<Bits8>(from++);
  }
  return table;
}

inline constexpr LaneTable kGatheredAtEnd = gathered_at_end(), kSpreadFromStart = spread_from_start();

template <class M>
HWY_INLINE std::size_t set_of(M mask) {
  Bits8 bytes[8] = {};
  hn::StoreMaskBits(StateTag(), mask, bytes);
  return bytes[0] & ((1u << kStateLanes) - 1);
}

HWY_INLINE States permuted(States v, const Bits8* lanes) {
  return hn::TableLookupLanes(v, hn::IndicesFromVec(du, hn::PromoteTo(du, hn::LoadU(du8, lanes))));
}

/// table[index[i]] of 16 numbers.
HWY_INLINE States lookup_16(const Bits32* table, States index) {
  if constexpr (kStateLanes == 8) {
    const auto low = hn::IndicesFromVec(du, hn::And(index, hn::Set(du, 7)));
    const auto upper = less(du, hn::Set(du, 7), index);
    return hn::IfThenElse(upper, hn::TableLookupLanes(hn::LoadU(du, table + 8), low), hn::TableLookupLanes(hn::LoadU(du, table), low));
  } else {
    return hn::GatherIndex(du, table, hn::BitCast(hn::RebindToSigned<StateTag>(), index));
  }
}

/// What the encoder needs of a symbol. state / frequency = (2 * state * reciprocal >> 32) >> shift for every state below 2^31.
class EncoderTable {
 public:
  explicit EncoderTable(const LosslessTable& table) {
    for (int s = 0; s < kLosslessSymbols; ++s) {
      const Bits32 frequency = table.frequency[s];
      Bits32 shift = 0;
      while (1u << shift < frequency) ++shift;
      reciprocal_[s] = static_cast<Bits32>(((Bits64{1} << (31 + shift)) + frequency - 1) / frequency);
      rest_[s] = frequency | static_cast<Bits32>(table.start[s]) << 12 | shift << 24;
    }
  }

  /// Takes in a vector of symbols. Words that are given off go in front of *words, which has room for a vector of them.
  HWY_INLINE States push(States state, States symbol, std::byte** words) const {
    const States rest = lookup_16(rest_, symbol);
    const States frequency = hn::And(rest, hn::Set(du, 0xfff));
    const auto kept = less(du, state, hn::ShiftLeft<19>(frequency));
    const std::size_t full = ~set_of(kept) & ((1u << kStateLanes) - 1);
    const States out = hn::And(permuted(state, kGatheredAtEnd.lane[full]), hn::Set(du, 0xffff));
    hn::StoreU(hn::TruncateTo(du16, out), du16, reinterpret_cast<std::uint16_t*>(*words) - kStateLanes);
    *words -= 2 * hwy::PopCount(full);
    state = hn::IfThenElse(kept, state, hn::ShiftRight<16>(state));
    const States quotient = hn::Shr(high_half(hn::Add(state, state), lookup_16(reciprocal_, symbol)), hn::ShiftRight<24>(rest));
    const States start = hn::And(hn::ShiftRight<12>(rest), hn::Set(du, 0xfff));
    const States skipped = hn::Sub(hn::Set(du, 1u << kLosslessBits), frequency);
    return hn::Add(hn::Add(state, hn::Mul(quotient, skipped)), start);
  }

 private:
  static HWY_INLINE States high_half(States a, States b) {
    const hn::RepartitionToWide<StateTag> d64;
    const auto even = hn::MulEven(a, b);
    const auto odd = hn::MulEven(hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(d64, a))), hn::BitCast(du, hn::ShiftRight<32>(hn::BitCast(d64, b))));
    return hn::OddEven(hn::BitCast(du, odd), hn::BitCast(du, hn::ShiftRight<32>(even)));
  }

  Bits32 reciprocal_[kLosslessSymbols];
  Bits32 rest_[kLosslessSymbols];  ///< frequency, start << 12, shift << 24
};

/// One entry for each of the 2^12 low parts of a state: frequency, low part - start << 12, exponent << 24 (255: an escape).
class DecoderTable {
 public:
  explicit DecoderTable(const LosslessTable& table) {
    for (int s = 0; s < kLosslessSymbols; ++s) {
      const Bits32 exponent = s == kLosslessEscape ? 255u : lossless_exponent(s, table.base);
      for (Bits32 i = 0; i < table.frequency[s]; ++i) entry_[table.start[s] + i] = table.frequency[s] | i << 12 | exponent << 24;
    }
  }

  /// Gives off a vector of exponents; takes in words from *words on, of which there is a whole vector.
  HWY_INLINE States pop(States* state, const std::byte** words) const {
    const States low = hn::And(*state, hn::Set(du, (1u << kLosslessBits) - 1));
    const States entry = hn::GatherIndex(du, entry_, hn::BitCast(hn::RebindToSigned<StateTag>(), low));
    const States twelve = hn::Set(du, 0xfff);
    const States next = hn::Add(hn::Mul(hn::And(entry, twelve), hn::ShiftRight<kLosslessBits>(*state)), hn::And(hn::ShiftRight<12>(entry), twelve));
    const auto hungry = less(du, next, hn::Set(du, kLosslessLow));
    const std::size_t set = set_of(hungry);
    const States fresh = permuted(hn::PromoteTo(du, hn::LoadU(du16, reinterpret_cast<const std::uint16_t*>(*words))), kSpreadFromStart.lane[set]);
    *words += 2 * hwy::PopCount(set);
    *state = hn::IfThenElse(hungry, hn::Or(hn::ShiftLeft<16>(next), fresh), next);
    return hn::ShiftRight<24>(entry);
  }

 private:
  HWY_ALIGN Bits32 entry_[1 << kLosslessBits];
};

#endif

}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
