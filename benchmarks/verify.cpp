// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/verify.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

// Unit roundoff of the type itself, and of the arithmetic it is summed in.
double unit_roundoff(lhDataType_t type) {
  if (type == lhBfloat16) return 0x1p-8;
  if (type == lhFloat16) return 0x1p-11;
  return type == lhFloat32 ? 0x1p-24 : 0x1p-53;
}
double sum_roundoff(lhDataType_t type) { return type == lhFloat64 ? 0x1p-53 : 0x1p-24; }

void note(Verdict* verdict, std::uint64_t index, double got, double expected, double bound) {
  const double error = got == expected ? 0 : std::abs(got - expected);
  verdict->max_reference = std::max(verdict->max_reference, std::abs(expected));
  verdict->max_error =
      std::isnan(error) ? std::numeric_limits<double>::infinity() : std::max(verdict->max_error, error);
  if (error <= bound) return;  // false for NaN
  if (verdict->wrong++ == 0) {
    verdict->first_wrong = index;
    verdict->got = got;
    verdict->expected = expected;
    verdict->bound = bound;
  }
}

// Reference of up to kCheckBlock elements of a float type.
class FloatBlock {
 public:
  FloatBlock(const Problem& problem, const std::vector<lhCodec_t>& codecs) : problem_(problem), codecs_(codecs) {
    const auto sites = static_cast<std::size_t>(problem.sites);
    site_sums_.resize(sites * kCheckBlock);
    block_max_.resize(sites);
    for (int rank = 0; rank < problem.ranks(); ++rank) seeds_.push_back(input_seed(problem, rank));
  }

  void compute(std::uint64_t first, std::uint64_t count) {
    std::fill(site_sums_.begin(), site_sums_.end(), 0.0);
    std::fill(block_max_.begin(), block_max_.end(), 0.0);
    for (std::size_t rank = 0; rank < seeds_.size(); ++rank) {
      double* const sums = &site_sums_[static_cast<std::size_t>(problem_.site_of_rank[rank]) * kCheckBlock];
      for (std::uint64_t i = 0; i < count; ++i) {
        const double x = float_input(problem_, seeds_[rank], first + i);
        sums[i] += x;
        fold(rank == 0, i, x);
      }
    }
    for (std::size_t s = 0; s < block_max_.size(); ++s) {
      for (std::uint64_t i = 0; i < count; ++i) {
        block_max_[s] = std::max(block_max_[s], std::abs(site_sums_[s * kCheckBlock + i]));
      }
    }
  }

  double expected(std::uint64_t i) const { return problem_.op == lhAvg ? value_[i] / problem_.ranks() : value_[i]; }

  double bound(std::uint64_t i) const {
    if (problem_.op == lhMax || problem_.op == lhMin) return 0;
    const double ranks = problem_.ranks();
    const double type_roundoff = unit_roundoff(problem_.type);
    const double arithmetic = 2 * ranks * sum_roundoff(problem_.type);
    const double partial = problem_.sums_in_type ? 2 * ranks * type_roundoff : 0;
    // A product may be rounded to its type once a site and once at the end.
    if (problem_.op == lhProd) return (arithmetic + partial + (problem_.sites + 1) * type_roundoff * 1.01) * std::abs(value_[i]);
    double total = (arithmetic + partial) * magnitude_[i] + loss(i);
    if (problem_.op == lhAvg) total /= ranks;
    const double smallest = problem_.type == lhFloat16 ? 0x1p-25 : 0;  // half a subnormal step
    return total + type_roundoff * (std::abs(expected(i)) + total) + smallest;
  }

 private:
  void fold(bool first, std::uint64_t i, double x) {
    magnitude_[i] = (first ? 0 : magnitude_[i]) + std::abs(x);
    if (first) {
      value_[i] = x;
    } else if (problem_.op == lhProd) {
      value_[i] *= x;
    } else if (problem_.op == lhMax) {
      value_[i] = std::max(value_[i], x);
    } else if (problem_.op == lhMin) {
      value_[i] = std::min(value_[i], x);
    } else {
      value_[i] += x;
    }
  }

  double loss(std::uint64_t i) const {
    double loosest = 0;
    for (const lhCodec_t codec : codecs_) {
      double total = 0;
      for (std::size_t s = 0; s < block_max_.size(); ++s) {
        total += codec_bound(codec, site_sums_[s * kCheckBlock + i], block_max_[s]);
      }
      loosest = std::max(loosest, total);
    }
    return loosest;
  }

  const Problem& problem_;
  const std::vector<lhCodec_t>& codecs_;
  std::vector<std::uint64_t> seeds_;
  std::vector<double> site_sums_;  // [site * kCheckBlock + i]
  std::vector<double> block_max_;  // [site]
  std::vector<double> value_ = std::vector<double>(kCheckBlock);
  std::vector<double> magnitude_ = std::vector<double>(kCheckBlock);  // sum of |x|
};

template <typename T>
class IntegerReference {
 public:
  explicit IntegerReference(const Problem& problem) : problem_(problem) {
    for (int rank = 0; rank < problem.ranks(); ++rank) seeds_.push_back(input_seed(problem, rank));
  }
  T at(std::uint64_t index) const {
    T value = input(0, index);
    for (std::size_t rank = 1; rank < seeds_.size(); ++rank) value = combine(value, input(rank, index));
    using Wide = std::conditional_t<std::is_signed_v<T>, std::int64_t, std::uint64_t>;
    return problem_.op == lhAvg ? static_cast<T>(static_cast<Wide>(value) / static_cast<Wide>(seeds_.size())) : value;
  }

 private:
  T input(std::size_t rank, std::uint64_t index) const {
    return static_cast<T>(integer_input(problem_, seeds_[rank], index));
  }
  // Wrapping arithmetic, in an unsigned type wide enough not to be promoted to int.
  T combine(T a, T b) const {
    if (problem_.op == lhMax) return std::max(a, b);
    if (problem_.op == lhMin) return std::min(a, b);
    const auto x = static_cast<std::uint64_t>(a);
    const auto y = static_cast<std::uint64_t>(b);
    return static_cast<T>(problem_.op == lhProd ? x * y : x + y);
  }

  const Problem& problem_;
  std::vector<std::uint64_t> seeds_;
};

template <typename T>
Verdict verify_integers(const Problem& problem, std::span<const std::byte> result, std::uint64_t first,
                        std::uint64_t last) {
  Verdict verdict;
  const IntegerReference<T> reference(problem);
  for (std::uint64_t i = first; i < last; ++i) {
    T got;
    std::memcpy(&got, result.data() + i * sizeof(T), sizeof(T));
    const T expected = reference.at(i);
    const std::uint64_t before = verdict.wrong;
    note(&verdict, i, static_cast<double>(got), static_cast<double>(expected), 0);
    // 64-bit integers that differ may be equal as doubles.
    if (got != expected && verdict.wrong == before && verdict.wrong++ == 0) verdict.first_wrong = i;
  }
  return verdict;
}

Verdict verify_floats(const Problem& problem, std::span<const std::byte> result, std::uint64_t first,
                      std::uint64_t last, const std::vector<lhCodec_t>& codecs) {
  Verdict verdict;
  FloatBlock block(problem, codecs);
  for (std::uint64_t begin = first; begin < last; begin += kCheckBlock) {
    const std::uint64_t count = std::min(kCheckBlock, last - begin);
    block.compute(begin, count);
    for (std::uint64_t i = 0; i < count; ++i) {
      const double got = load_float(problem.type, result.data(), begin + i);
      note(&verdict, begin + i, got, block.expected(i), block.bound(i));
    }
  }
  return verdict;
}

}  // namespace

double codec_bound(lhCodec_t codec, double site_sum, double block_max) {
  if (codec == lhCodecBf16) return 0x1p-8 * 1.01 * std::abs(site_sum);
  switch (codec) {
    case lhCodecI8:
      return block_max / 127 * 0.51;  // half a step; the step is block_max / 127 rounded up to 8 significant bits
    case lhCodecF4:
      return block_max / 6 * 1.126;  // half a step at the top, rounded up to 4 significant bits
    case lhCodecR4:
      return block_max * 1.0;  // ten standard deviations of an error of 0.0094 of the energy, which is at most block_max^2 a value
    case lhCodecR2:
      return block_max * 3.7;  // and of 0.133
    default:
      return 0;
  }
}

Verdict verify(const Problem& problem, std::span<const std::byte> result, std::uint64_t first, std::uint64_t last,
               const std::vector<lhCodec_t>& codecs) {
  switch (problem.type) {
    case lhInt8:
      return verify_integers<std::int8_t>(problem, result, first, last);
    case lhUint8:
      return verify_integers<std::uint8_t>(problem, result, first, last);
    case lhInt32:
      return verify_integers<std::int32_t>(problem, result, first, last);
    case lhUint32:
      return verify_integers<std::uint32_t>(problem, result, first, last);
    case lhInt64:
      return verify_integers<std::int64_t>(problem, result, first, last);
    case lhUint64:
      return verify_integers<std::uint64_t>(problem, result, first, last);
    default:
      return verify_floats(problem, result, first, last, codecs);
  }
}

std::pair<std::uint64_t, std::uint64_t> share_of(int rank, int ranks, std::uint64_t count) {
  const std::uint64_t blocks = (count + kCheckBlock - 1) / kCheckBlock;
  const auto cut = [&](int r) {
    return std::min(count, blocks * static_cast<std::uint64_t>(r) / static_cast<std::uint64_t>(ranks) * kCheckBlock);
  };
  return {cut(rank), cut(rank + 1)};
}

}  // namespace longhaul::perf
