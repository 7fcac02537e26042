// SPDX-License-Identifier: Apache-2.0
// all_reduce_perf: input data, reference, bounds of the codecs, digests.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "benchmarks/data.h"
#include "benchmarks/types.h"
#include "benchmarks/verify.h"
#include "support/catch.h"

namespace longhaul::perf {
namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); }

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kCount = 3000;  // not a multiple of a block

Problem problem_of(lhDataType_t type, lhRedOp_t op) {
  return {.type = type, .op = op, .iteration = 3, .site_of_rank = {0, 0, 0, 1, 1}, .sites = 2};
}

std::vector<Bytes> inputs(const Problem& problem) {
  std::vector<Bytes> all;
  for (int rank = 0; rank < problem.ranks(); ++rank) {
    all.emplace_back(kCount * type_size(problem.type));
    fill(problem, rank, all.back());
  }
  return all;
}

template <typename T>
T at(const Bytes& bytes, std::uint64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
void put(Bytes* bytes, std::uint64_t i, T value) {
  std::memcpy(bytes->data() + i * sizeof(T), &value, sizeof(T));
}

// bf16, to nearest even
float to_float(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
std::uint16_t from_float(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// fp32 sum site by site, `damage` applied to every site sum.
template <typename Damage>
Bytes float_result(const Problem& problem, const Damage& damage) {
  const std::vector<Bytes> all = inputs(problem);
  Bytes result(kCount * 4);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    float sum = 0;
    for (int site = 0; site < problem.sites; ++site) {
      float site_sum = 0;
      for (std::size_t r = 0; r < all.size(); ++r) {
        if (problem.site_of_rank[r] == site) site_sum += at<float>(all[r], i);
      }
      sum += damage(site_sum);
    }
    put(&result, i, problem.op == lhAvg ? sum / 5 : sum);
  }
  return result;
}

Verdict verify_all(const Problem& problem, const Bytes& result, lhCodec_t codec = lhCodecNone) {
  return verify(problem, result, 0, kCount, {codec});
}

constexpr auto kExact = [](float x) { return x; };

}  // namespace

TEST_CASE("input depends on rank, iteration and index only", "[unit]") {
  Problem problem = problem_of(lhFloat32, lhSum);
  const auto all = inputs(problem);
  CHECK(all == inputs(problem));
  CHECK(all[0] != all[1]);
  Bytes shorter(40);
  fill(problem, 0, shorter);
  CHECK(std::equal(shorter.begin(), shorter.end(), all[0].begin()));
  problem.iteration = 4;
  CHECK(all[0] != inputs(problem)[0]);
}

TEST_CASE("float inputs are exact in their type and well spread", "[unit]") {
  const lhDataType_t type = GENERATE(lhFloat16, lhBfloat16, lhFloat32, lhFloat64);
  const lhRedOp_t op = GENERATE(lhSum, lhProd);
  INFO(type_name(type) << " " << op_name(op));
  const Problem problem = problem_of(type, op);
  const Bytes mine = inputs(problem)[2];
  double sum = 0, least = 9, most = -9;
  for (std::uint64_t i = 0; i < kCount; ++i) {
    const double value = load_float(type, mine.data(), i);
    REQUIRE(value == float_input(problem, input_seed(problem, 2), i));
    sum += value;
    least = std::min(least, value);
    most = std::max(most, value);
  }
  const double middle = op == lhProd ? 1 : 0;
  CHECK(std::abs(sum / kCount - middle) < 0.05);
  CHECK(least >= (op == lhProd ? 0.96 : -1));
  CHECK(most <= (op == lhProd ? 1.04 : 1));
  CHECK(most - least > (op == lhProd ? 0.05 : 1.9));
}

TEST_CASE("16-bit floats are read as they are", "[unit]") {
  Bytes bytes(2);
  const auto half = [&](std::uint16_t bits) {
    put(&bytes, 0, bits);
    return load_float(lhFloat16, bytes.data(), 0);
  };
  CHECK(half(0x3c00) == 1.0);
  CHECK(half(0xc000) == -2.0);
  CHECK(half(0x7bff) == 65504.0);
  CHECK(half(0x0001) == 0x1p-24);
  CHECK(half(0x8000) == 0.0);
  CHECK(std::isinf(half(0x7c00)));
  CHECK(std::isnan(half(0x7e00)));
  put(&bytes, 0, std::uint16_t{0xbf80});
  CHECK(load_float(lhBfloat16, bytes.data(), 0) == -1.0);
}

TEST_CASE("an exact fp32 sum passes, one bad element does not", "[unit]") {
  const lhRedOp_t op = GENERATE(lhSum, lhAvg);
  const Problem problem = problem_of(lhFloat32, op);
  Bytes result = float_result(problem, kExact);
  const Verdict good = verify_all(problem, result);
  CHECK(good.wrong == 0);
  CHECK(good.max_reference > 0.3);
  CHECK(good.max_error < 1e-6);

  const float before = at<float>(result, 1500);
  put(&result, 1500, before + 1e-5f);
  const Verdict bad = verify_all(problem, result);
  CHECK(bad.wrong == 1);
  CHECK(bad.first_wrong == 1500);
  CHECK(bad.max_error > 9e-6);
  CHECK(verify(problem, result, 0, 1024, {lhCodecNone}).wrong == 0);  // not in this share
  CHECK(verify(problem, result, 1024, kCount, {lhCodecNone}).wrong == 1);

  put(&result, 1500, std::numeric_limits<float>::quiet_NaN());
  CHECK(verify_all(problem, result).wrong == 1);
  CHECK(std::isinf(verify_all(problem, result).max_error));
}

TEST_CASE("sums that are rounded to their type after every rank pass where they may be, and only there", "[unit]") {
  Problem problem = problem_of(lhBfloat16, lhSum);
  const std::vector<Bytes> all = inputs(problem);
  Bytes result(kCount * 2);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    float sum = 0;
    for (const Bytes& one : all) sum = to_float(from_float(sum + to_float(at<std::uint16_t>(one, i))));
    put(&result, i, from_float(sum));
  }
  CHECK(verify(problem, result, 0, kCount, {lhCodecNone}).wrong > 0);
  problem.sums_in_type = true;
  CHECK(verify(problem, result, 0, kCount, {lhCodecNone}).wrong == 0);
  put(&result, 7, from_float(to_float(at<std::uint16_t>(result, 7)) + 0.5F));
  CHECK(verify(problem, result, 0, kCount, {lhCodecNone}).wrong == 1);
}

TEST_CASE("a missing rank is out of bounds nearly everywhere", "[unit]") {
  const Problem problem = problem_of(lhFloat32, lhSum);
  Problem four = problem;
  four.site_of_rank.pop_back();
  CHECK(verify_all(problem, float_result(four, kExact)).wrong > kCount * 9 / 10);
  // Even the loosest codec does not hide it.
  CHECK(verify_all(problem, float_result(four, kExact), lhCodecI8).wrong > kCount * 9 / 10);
}

TEST_CASE("codec bounds hold for their codec only", "[unit]") {
  const Problem problem = problem_of(lhFloat32, lhSum);
  const auto bf16 = [](float x) {
    std::uint32_t bits;
    std::memcpy(&bits, &x, 4);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    std::memcpy(&x, &bits, 4);
    return x;
  };
  const Bytes as_bf16 = float_result(problem, bf16);
  CHECK(verify_all(problem, as_bf16, lhCodecBf16).wrong == 0);
  CHECK(verify_all(problem, as_bf16, lhCodecNone).wrong > kCount / 2);

  // Steps of 3/127 are what i8 uses for site sums of up to 3.
  const auto quantised = [](float x) { return std::rint(x * 127 / 2) * 2 / 127; };
  const Bytes as_i8 = float_result(problem, quantised);
  CHECK(verify_all(problem, as_i8, lhCodecI8).wrong == 0);
  CHECK(verify_all(problem, as_i8, lhCodecBf16).wrong > 0);
  CHECK(verify(problem, as_i8, 0, kCount, {lhCodecNone, lhCodecI8}).wrong == 0);  // the loosest counts

  const auto coarse = [](float x) { return std::rint(x * 15) / 15; };
  CHECK(verify_all(problem, float_result(problem, coarse), lhCodecI8).wrong > 0);
}

TEST_CASE("bounds of an element by the largest of its block", "[unit]") {
  CHECK(near(codec_bound(lhCodecI8, 0.1, 127), 0.51));
  CHECK(near(codec_bound(lhCodecF4, 0.1, 6), 1.126));
  CHECK(near(codec_bound(lhCodecR4, 0.1, 2), 2));
  CHECK(near(codec_bound(lhCodecR2, 0.1, 2), 7.4));
  CHECK(codec_bound(lhCodecLossless, 5, 127) == 0);
  CHECK(near(codec_bound(lhCodecBf16, -2, 127), 2 * 1.01 / 256));
  CHECK(codec_bound(lhCodecNone, 5, 127) == 0);
}

TEST_CASE("integers are exact", "[unit]") {
  const lhRedOp_t op = GENERATE(lhSum, lhProd, lhMax, lhMin, lhAvg);
  INFO(op_name(op));
  const Problem problem = problem_of(lhInt32, op);
  const auto all = inputs(problem);
  Bytes result(kCount * 4);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    std::int64_t sum = 0;
    std::uint32_t product = 1;
    std::int32_t largest = std::numeric_limits<std::int32_t>::min(),
                 smallest = std::numeric_limits<std::int32_t>::max();
    for (const Bytes& input : all) {
      const auto x = at<std::int32_t>(input, i);
      sum += x;
      product *= static_cast<std::uint32_t>(x);
      largest = std::max(largest, x);
      smallest = std::min(smallest, x);
    }
    std::int32_t value = static_cast<std::int32_t>(sum);
    if (op == lhProd) value = static_cast<std::int32_t>(product);
    if (op == lhMax) value = largest;
    if (op == lhMin) value = smallest;
    if (op == lhAvg) value = static_cast<std::int32_t>(sum / 5);  // inputs of Avg never wrap
    put(&result, i, value);
  }
  CHECK(verify_all(problem, result).wrong == 0);
  put(&result, 7, at<std::int32_t>(result, 7) ^ 1);
  CHECK(verify_all(problem, result).wrong == 1);
}

TEST_CASE("64-bit integers that are equal as doubles are still told apart", "[unit]") {
  const Problem problem = problem_of(lhUint64, lhSum);
  const auto all = inputs(problem);
  Bytes result(kCount * 8);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    std::uint64_t sum = 0;
    for (const Bytes& input : all) sum += at<std::uint64_t>(input, i);
    put(&result, i, sum);
  }
  CHECK(verify_all(problem, result).wrong == 0);
  put(&result, 11, at<std::uint64_t>(result, 11) ^ 1);
  CHECK(verify_all(problem, result).wrong == 1);
}

TEST_CASE("8-bit averages of many ranks neither wrap nor divide by zero", "[unit]") {
  Problem problem = problem_of(lhInt8, lhAvg);
  problem.site_of_rank.assign(256, 0);
  problem.sites = 1;
  Bytes zeros(kCount);
  CHECK(verify_all(problem, zeros).wrong == 0);
}

TEST_CASE("maxima are exact for floats too", "[unit]") {
  const Problem problem = problem_of(lhFloat16, lhMax);
  const auto all = inputs(problem);
  Bytes result(kCount * 2);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    std::size_t best = 0;
    for (std::size_t r = 1; r < all.size(); ++r) {
      if (load_float(lhFloat16, all[r].data(), i) > load_float(lhFloat16, all[best].data(), i)) best = r;
    }
    put(&result, i, at<std::uint16_t>(all[best], i));
  }
  CHECK(verify_all(problem, result).wrong == 0);
  put(&result, 2999, static_cast<std::uint16_t>(at<std::uint16_t>(result, 2999) ^ 1));
  CHECK(verify_all(problem, result).wrong == 1);
}

TEST_CASE("the shares of all ranks cover the buffer once", "[unit]") {
  for (const std::uint64_t count : {0ull, 1ull, 1023ull, 1024ull, 5000ull, 1000000ull}) {
    for (const int ranks : {1, 2, 7, 64}) {
      std::uint64_t at = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        const auto [first, last] = share_of(rank, ranks, count);
        CHECK(first == at);
        CHECK((first % kCheckBlock == 0 || first == last));
        at = last;
      }
      CHECK(at == count);
    }
  }
}

TEST_CASE("digests see every bit and the length", "[unit]") {
  Bytes bytes(27);
  const std::uint64_t clean = digest(bytes);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes flipped = bytes;
    flipped[i] ^= std::byte{0x80};
    CHECK(digest(flipped) != clean);
  }
  CHECK(digest(Bytes(26)) != clean);
  CHECK(digest({}) == digest(Bytes{}));
}

}  // namespace longhaul::perf
