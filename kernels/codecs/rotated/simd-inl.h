// SPDX-License-Identifier: Apache-2.0
// Codecs r4 and r2 in vectors; the specification is reference.h. A block sits in L1 while a few passes go over it. Included once for
// every instruction set.
#if defined(LH_ROTATED_SIMD_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef LH_ROTATED_SIMD_INL
#undef LH_ROTATED_SIMD_INL
#else
#define LH_ROTATED_SIMD_INL
#endif

#include "kernels/codecs/levels-inl.h"
#include "kernels/codecs/rotated/hadamard-inl.h"
#include "kernels/codecs/rotated/rotated.h"

HWY_BEFORE_NAMESPACE();
namespace longhaul::kernels::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR

template <typename R>
class Rotated {
 public:
  static std::size_t encode(const float* in, std::size_t count, const Rotation& rotation, std::byte* out) {
    if (count == 0) return 0;
    HWY_ALIGN Bits32 signs[R::kBlock];
    make_signs(rotation, signs);
    const std::size_t whole = count / R::kBlock, used = 2 * blocks_of(count, R::kBlock);
    std::byte* codes = out + rotated_codes_at<R>(count);
    for (std::size_t block = 0; block < whole; ++block)
      if (!encode_block(in + block * R::kBlock, signs, out + 2 * block, codes + block * kCodeBytes)) return kNone;
    if (count % R::kBlock != 0) {
      float tail[R::kBlock] = {};
      std::memcpy(tail, in + whole * R::kBlock, (count % R::kBlock) * sizeof(float));
      if (!encode_block(tail, signs, out + 2 * whole, codes + whole * kCodeBytes)) return kNone;
    }
    std::memset(out + used, 0, rotated_codes_at<R>(count) - used);
    return rotated_bytes<R>(count);
  }

  static void decode_add(const std::byte* blob, std::size_t count, bool first, float* sum) {
    const std::byte* codes = blob + rotated_codes_at<R>(count);
    for (std::size_t block = 0; block < blocks_of(count, R::kBlock); ++block) {
      const float step = rotated_step(load<Bits16>(blob, block));
      const std::byte* from = codes + block * kCodeBytes;
      first ? decode_block<true>(from, step, sum + block * R::kBlock) : decode_block<false>(from, step, sum + block * R::kBlock);
    }
  }

  static void finish(float* sum, std::size_t count, const Rotation& rotation) {
    HWY_ALIGN Bits32 signs[R::kBlock];
    make_signs(rotation, signs);
    for (std::size_t begin = 0; begin < count; begin += R::kBlock) finish_block(sum + begin, signs);
  }

 private:
  using D = Hadamard::D;
  using DU = hn::RebindToUnsigned<D>;
  using V = hn::Vec<D>;
  static constexpr std::size_t kLanes = Hadamard::kLanes;
  static constexpr std::size_t kCodeBytes = R::kBlock * R::kBits / 8;
  static constexpr std::size_t kSums = kSumLanes / kLanes;

  static HWY_INLINE void make_signs(const Rotation& rotation, Bits32* signs) {
    for (std::size_t i = 0; i < R::kBlock; i += 128) {
      const Philox words = rotation_signs(rotation.key, rotation.operation, rotation.chunk, static_cast<Bits32>(i / 128));
      for (std::size_t j = 0; j < 128; ++j) signs[i + j] = words.words[j / 32] >> (j % 32) << 31;
    }
  }

  static HWY_INLINE bool encode_block(const float* x, const Bits32* signs, std::byte* scale, std::byte* codes) {
    const Bits32 largest = largest_magnitude(x, R::kBlock);
    if (largest >= kRotatedLimit) return false;
    if (largest < kRotatedSmallest) {
      store<Bits16>(scale, 0, 0);
      std::memset(codes, 0, kCodeBytes);
      return true;
    }
    HWY_ALIGN float w[R::kBlock];
    rotate(x, largest >> 23, signs, w);
    const float energy = shorten(w);
    const float product = quantise(w, rotated_inverse<R>(energy), codes);
    store(scale, 0, rotated_scale<R>(energy, product, largest >> 23));
    return true;
  }

  /// scaled_down(), signs and transform.
  static HWY_INLINE void rotate(const float* x, Bits32 exponent, const Bits32* signs, float* w) {
    const D d;
    const DU du;
    const auto smallest = hn::Set(du, exponent > 127u ? (exponent - 126u) << 23 : 0x00800000u);
    const auto shift = hn::Set(du, (127u - exponent) << 23), sign_bit = hn::Set(du, kSignBit);
    for (std::size_t i = 0; i < R::kBlock; i += 8 * kLanes) {
      V v[8];
      for (std::size_t j = 0; j < 8; ++j) {
        const std::size_t at = i + j * kLanes;
        const auto bits = hn::BitCast(du, hn::LoadU(d, x + at));
        const auto tiny = less(du, hn::AndNot(sign_bit, bits), smallest);
        v[j] = hn::BitCast(d, hn::Xor(hn::IfThenZeroElse(tiny, hn::Add(bits, shift)), hn::Load(du, signs + at)));
      }
      Hadamard::first_stages(v);
      for (std::size_t j = 0; j < 8; ++j) hn::Store(v[j], d, w + i + j * kLanes);
    }
    Hadamard::last_stages<R::kBlock>(w);
  }

  /// twelve_bits() of all, which keep their signs; returns the sum of their squares.
  static HWY_INLINE float shorten(float* w) {
    const D d;
    const DU du;
    V sums[kSums];
    for (V& sum : sums) sum = hn::Zero(d);
    const auto sign_bit = hn::Set(du, kSignBit);
    for (std::size_t i = 0; i < R::kBlock; i += kSumLanes) {
      for (std::size_t j = 0; j < kSums; ++j) {
        const auto bits = hn::BitCast(du, hn::Load(d, w + i + j * kLanes));
        const auto magnitude = hn::And(hn::Add(hn::AndNot(sign_bit, bits), hn::Set(du, 0x800)), hn::Set(du, 0xfffff000u));
        const auto kept = hn::IfThenZeroElse(less(du, magnitude, hn::Set(du, 0x2b800000u)), magnitude);
        const V v = hn::BitCast(d, kept);
        sums[j] = hn::Add(sums[j], hn::Mul(v, v));
        hn::Store(hn::BitCast(d, hn::Or(kept, hn::And(bits, sign_bit))), d, w + i + j * kLanes);
      }
    }
    return tree(sums);
  }

  /// Writes the codes; returns the sum of the products of magnitudes and their levels.
  static HWY_INLINE float quantise(const float* w, float inverse, std::byte* codes) {
    const D d;
    const DU du;
    const hn::Rebind<std::uint8_t, D> du8;
    Bits8 unpacked[R::kBlock];
    V sums[kSums];
    for (V& sum : sums) sum = hn::Zero(d);
    const V factor = hn::Set(d, inverse);
    for (std::size_t i = 0; i < R::kBlock; i += kSumLanes) {
      for (std::size_t j = 0; j < kSums; ++j) {
        const V v = hn::Load(d, w + i + j * kLanes), magnitude = hn::Abs(v), y = hn::Mul(magnitude, factor);
        // The number of a level hides in the bits that it does not use.
        auto level = hn::Set(d, float_of(bits_of(R::kLevel[0])));
        for (int k = 1; k < R::kLevels; ++k) {
          const V next = hn::Set(d, float_of(bits_of(R::kLevel[k]) | static_cast<Bits32>(k)));
          level = hn::IfThenElse(hn::Gt(y, hn::Set(d, R::kThreshold[k - 1])), next, level);
        }
        const auto number = hn::And(hn::BitCast(du, level), hn::Set(du, R::kLevels - 1));
        const auto sign = hn::ShiftLeft<R::kBits - 1>(hn::ShiftRight<31>(hn::BitCast(du, v)));
        hn::StoreU(hn::TruncateTo(du8, hn::Or(number, sign)), du8, unpacked + i + j * kLanes);
        sums[j] = hn::Add(sums[j], hn::Mul(magnitude, hn::BitCast(d, hn::Xor(hn::BitCast(du, level), number))));
      }
    }
    pack_codes<R::kBits>(unpacked, R::kBlock, codes);
    return tree(sums);
  }

  /// The end of the reference's sum.
  static HWY_INLINE float tree(V* sums) {
    const D d;
    for (std::size_t half = kSums / 2; half > 0; half /= 2)
      for (std::size_t j = 0; j < half; ++j) sums[j] = hn::Add(sums[j], sums[j + half]);
    HWY_ALIGN float lanes[kLanes];
    hn::Store(sums[0], d, lanes);
    for (std::size_t half = kLanes / 2; half > 0; half /= 2)
      for (std::size_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    return lanes[0];
  }

  template <bool kFirst>
  static HWY_INLINE void decode_block(const std::byte* codes, float step, float* sum) {
    const D d;
    HWY_ALIGN float table[8] = {};
    for (int k = 0; k < R::kLevels; ++k) table[k] = R::kLevel[k] * step;
    const Expand<R::kBits> expand(table);
    for (std::size_t i = 0; i < R::kBlock; i += kLanes) {
      const V value = expand(codes + i * R::kBits / 8);
      hn::StoreU(canonical(d, kFirst ? value : hn::Add(hn::LoadU(d, sum + i), value)), d, sum + i);
    }
  }

  static HWY_INLINE void finish_block(float* sum, const Bits32* signs) {
    const D d;
    HWY_ALIGN float w[R::kBlock];
    for (std::size_t i = 0; i < R::kBlock; i += 8 * kLanes) {
      V v[8];
      for (std::size_t j = 0; j < 8; ++j) v[j] = hn::LoadU(d, sum + i + j * kLanes);
      Hadamard::first_stages(v);
      for (std::size_t j = 0; j < 8; ++j) hn::Store(v[j], d, w + i + j * kLanes);
    }
    Hadamard::last_stages<R::kBlock>(w);
    const V norm = hn::Set(d, 1.0f / static_cast<float>(1u << R::kHalfLog));
    for (std::size_t i = 0; i < R::kBlock; i += kLanes) {
      const auto sign = hn::BitCast(d, hn::Load(DU(), signs + i));
      hn::StoreU(canonical(d, hn::Xor(hn::Mul(hn::Load(d, w + i), norm), sign)), d, sum + i);
    }
  }
};

#endif

}  // namespace longhaul::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
