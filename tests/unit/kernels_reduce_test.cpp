// SPDX-License-Identifier: Apache-2.0
// reduce, sum_to_float and from_float against a naive implementation: one element at a time, integers in 64 bits cut to
// their width, 16-bit floats through the definition of rounding in kernels_support.h.
#include "kernels/reduce.h"

#include <array>
#include <limits>
#include <type_traits>

#include "support/catch.h"
#include "support/simd_targets.h"
#include "unit/kernels_support.h"

using namespace longhaul;
using test::Guarded;

namespace {

constexpr std::array kTypes = {lhInt8,   lhUint8,   lhInt32,   lhUint32,  lhInt64,
                               lhUint64, lhFloat16, lhFloat32, lhFloat64, lhBfloat16};
constexpr std::array kOps = {lhSum, lhProd, lhMax, lhMin, lhAvg};

template <typename T>
T naive_float(const std::vector<T>& x, lhRedOp_t op, std::uint64_t divisor) {
  T result = x[0];
  bool nan = std::isnan(x[0]);
  for (std::size_t i = 1; i < x.size(); ++i) {
    nan |= std::isnan(x[i]);
    if (op == lhSum || op == lhAvg) result = static_cast<T>(result + x[i]);
    if (op == lhProd) result = static_cast<T>(result * x[i]);
    if (op == lhMax && std::isgreater(x[i], result)) result = x[i];
    if (op == lhMin && std::isless(x[i], result)) result = x[i];
  }
  if (op == lhAvg && divisor > 1) result = result / static_cast<T>(divisor);
  return nan || std::isnan(result) ? std::numeric_limits<T>::quiet_NaN() : result;
}

template <typename T>
T naive_integer(const std::vector<T>& x, lhRedOp_t op, std::uint64_t divisor) {
  auto result = static_cast<std::uint64_t>(x[0]);
  for (std::size_t i = 1; i < x.size(); ++i) {
    const auto next = static_cast<std::uint64_t>(x[i]);
    if (op == lhSum || op == lhAvg) result += next;
    if (op == lhProd) result *= next;
    if (op == lhMax && x[i] > static_cast<T>(result)) result = next;
    if (op == lhMin && x[i] < static_cast<T>(result)) result = next;
  }
  const T wrapped = static_cast<T>(result);
  if (op != lhAvg || divisor <= 1) return wrapped;
  const auto wide = static_cast<__int128>(wrapped) / static_cast<__int128>(divisor);
  return static_cast<T>(wide);
}

template <typename T>
void naive_element(std::byte* dst, const std::vector<const std::byte*>& sources, std::size_t index, lhRedOp_t op,
                   std::uint64_t divisor) {
  std::vector<T> values(sources.size());
  for (std::size_t s = 0; s < sources.size(); ++s) std::memcpy(&values[s], sources[s] + index * sizeof(T), sizeof(T));
  T result{};
  if constexpr (std::is_floating_point_v<T>) {
    result = naive_float(values, op, divisor);
  } else {
    result = naive_integer(values, op, divisor);
  }
  std::memcpy(dst + index * sizeof(T), &result, sizeof(T));
}

void naive_half(std::byte* dst, const std::vector<const std::byte*>& sources, std::size_t index, lhRedOp_t op,
                std::uint64_t divisor, test::Shape shape) {
  std::vector<float> values(sources.size());
  for (std::size_t s = 0; s < sources.size(); ++s) {
    std::uint16_t half = 0;
    std::memcpy(&half, sources[s] + 2 * index, 2);
    values[s] = static_cast<float>(test::naive_widen(half, shape));
  }
  const std::uint16_t result = test::naive_narrow(naive_float(values, op, divisor), shape);
  std::memcpy(dst + 2 * index, &result, 2);
}

void naive_reduce(std::byte* dst, const std::vector<const std::byte*>& sources, std::size_t count, lhDataType_t type,
                  lhRedOp_t op, std::uint64_t divisor) {
  if (count == 0) return;
  if (sources.size() == 1 && (op != lhAvg || divisor <= 1)) {  // one source is copied, NaN payloads included
    std::memcpy(dst, sources[0], count * kernels::size_of(type));
    return;
  }
  for (std::size_t i = 0; i < count; ++i) {
    switch (type) {
      case lhInt8:
        naive_element<std::int8_t>(dst, sources, i, op, divisor);
        break;
      case lhUint8:
        naive_element<std::uint8_t>(dst, sources, i, op, divisor);
        break;
      case lhInt32:
        naive_element<std::int32_t>(dst, sources, i, op, divisor);
        break;
      case lhUint32:
        naive_element<std::uint32_t>(dst, sources, i, op, divisor);
        break;
      case lhInt64:
        naive_element<std::int64_t>(dst, sources, i, op, divisor);
        break;
      case lhUint64:
        naive_element<std::uint64_t>(dst, sources, i, op, divisor);
        break;
      case lhFloat32:
        naive_element<float>(dst, sources, i, op, divisor);
        break;
      case lhFloat64:
        naive_element<double>(dst, sources, i, op, divisor);
        break;
      case lhFloat16:
        naive_half(dst, sources, i, op, divisor, test::kFp16);
        break;
      case lhBfloat16:
        naive_half(dst, sources, i, op, divisor, test::kBf16);
        break;
    }
  }
}

/// Any bits for integers; for floats a mix of ordinary values and any bits (NaN, Inf, denormals).
std::vector<std::byte> random_bytes(Random& random, std::size_t count, lhDataType_t type) {
  const std::size_t size = kernels::size_of(type);
  std::vector<std::byte> bytes(count * size);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t raw = random.next();
    if (random.below(8) != 0) {
      const auto x = static_cast<float>(test::gauss(random));
      if (type == lhFloat32) raw = std::bit_cast<std::uint32_t>(x);
      if (type == lhFloat64) raw = std::bit_cast<std::uint64_t>(static_cast<double>(x) / 3);
      if (type == lhFloat16) raw = test::naive_narrow(x, test::kFp16);
      if (type == lhBfloat16) raw = test::naive_narrow(x, test::kBf16);
    }
    std::memcpy(bytes.data() + i * size, &raw, size);
  }
  return bytes;
}

struct Case {
  lhDataType_t type;
  lhRedOp_t op;
  std::size_t sources;
  std::size_t count;
  std::uint64_t divisor;
  std::size_t in_place;  ///< this source is dst; `sources`: none is
};

void check_case(Random& random, const Case& c) {
  INFO("type " << c.type << " op " << c.op << " sources " << c.sources << " count " << c.count << " divisor "
               << c.divisor << " in place " << c.in_place);
  const std::size_t bytes = c.count * kernels::size_of(c.type);
  std::vector<Guarded> memory;
  for (std::size_t s = 0; s <= c.sources; ++s) {
    memory.emplace_back(bytes, random.below(64));
    memory.back().fill(random_bytes(random, c.count, c.type));
  }
  std::vector<const std::byte*> inputs;
  std::vector<const void*> pointers;
  for (std::size_t s = 0; s < c.sources; ++s) {
    inputs.push_back(memory[s].data());
    pointers.push_back(memory[s].data());
  }
  std::vector<std::byte> expected(bytes);
  naive_reduce(expected.data(), inputs, c.count, c.type, c.op, c.divisor);
  kernels::reduce(memory[c.in_place].data(), pointers, c.count, c.type, c.op, c.divisor);
  CHECK(memory[c.in_place].copy() == expected);
  for (const Guarded& one : memory) CHECK(one.intact());
}

template <typename T>
T reduced(std::vector<T> values, lhDataType_t type, lhRedOp_t op, std::uint64_t divisor = 1) {
  std::vector<const void*> sources;
  for (const T& value : values) sources.push_back(&value);
  T result{};
  kernels::reduce(&result, sources, 1, type, op, divisor);
  return result;
}

}  // namespace

TEST_CASE("reduce equals the naive reduction for every type and operation", "[unit]") {
  const test::UseTarget use(GENERATE(from_range(test::simd_targets())));
  Random random(3);
  for (const lhDataType_t type : kTypes) {
    for (const lhRedOp_t op : kOps) {
      for (const std::size_t sources : {1u, 2u, 3u, 5u}) {
        for (const std::size_t count : {0u, 1u, 7u, 129u, 2049u}) {
          const std::uint64_t divisor = random.below(3) == 0 ? 1 : sources;
          check_case(random, {type, op, sources, count, divisor, random.below(sources + 1)});
        }
      }
    }
  }
}

TEST_CASE("reduce of 64 sources over several blocks, dst equal to each source in turn", "[unit]") {
  const test::UseTarget use(GENERATE(from_range(test::simd_targets())));
  Random random(4);
  for (const lhDataType_t type : kTypes) check_case(random, {type, lhSum, 64, 4099, 1, 64});
  for (std::size_t in_place = 0; in_place < 4; ++in_place) {
    for (const lhDataType_t type : kTypes) check_case(random, {type, lhAvg, 4, 4099, 4, in_place});
  }
}

TEST_CASE("integer sums and products wrap; averages truncate toward zero", "[unit]") {
  CHECK(reduced<std::int8_t>({100, 100}, lhInt8, lhSum) == -56);
  CHECK(reduced<std::uint8_t>({200, 100}, lhUint8, lhSum) == 44);
  CHECK(reduced<std::int32_t>({0x7fffffff, 1}, lhInt32, lhSum) == std::numeric_limits<std::int32_t>::min());
  CHECK(reduced<std::int32_t>({0x10000, 0x10001}, lhInt32, lhProd) == 0x10000);
  CHECK(reduced<std::int64_t>({std::numeric_limits<std::int64_t>::min(), -1}, lhInt64, lhProd) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(reduced<std::int32_t>({-3, -4}, lhInt32, lhAvg, 2) == -3);
  CHECK(reduced<std::int32_t>({3, 4}, lhInt32, lhAvg, 2) == 3);
  CHECK(reduced<std::int8_t>({-128, 0}, lhInt8, lhAvg, 2) == -64);
  CHECK(reduced<std::int8_t>({-128, 0}, lhInt8, lhAvg, 128) == -1);
  CHECK(reduced<std::int8_t>({-128, 0}, lhInt8, lhAvg, 257) == 0);  // 257 is 1 in 8 bits
  CHECK(reduced<std::int32_t>({-5, 0}, lhInt32, lhAvg, (std::uint64_t{1} << 32) + 1) == 0);
  CHECK(reduced<std::uint64_t>({~std::uint64_t{0}, 0}, lhUint64, lhAvg, 2) == 0x7fffffffffffffff);
  CHECK(reduced<std::int64_t>({std::numeric_limits<std::int64_t>::min(), 0}, lhInt64, lhAvg, 3) ==
        -3074457345618258602);
}

TEST_CASE("a divisor of 0 or 1, and any divisor without lhAvg, divides nothing", "[unit]") {
  CHECK(reduced<std::int32_t>({5, 6}, lhInt32, lhAvg, 0) == 11);
  CHECK(reduced<std::int32_t>({5, 6}, lhInt32, lhAvg, 1) == 11);
  CHECK(reduced<std::int32_t>({5, 6}, lhInt32, lhSum, 2) == 11);
  CHECK(reduced<float>({5, 6}, lhFloat32, lhSum, 2) == 11.0f);
  CHECK(reduced<float>({1, 1}, lhFloat32, lhAvg, 3) == 2.0f / 3.0f);  // a division, not a product with 1/3
}

TEST_CASE("Max and Min: NaN wins in every position, equal zeros keep the earlier", "[unit]") {
  const float nan = std::bit_cast<float>(0xffc12345u);
  for (const lhRedOp_t op : {lhMax, lhMin, lhSum, lhProd}) {
    for (std::size_t position = 0; position < 3; ++position) {
      std::vector<float> values = {1, 2, 3};
      values[position] = nan;
      CHECK(std::bit_cast<std::uint32_t>(reduced(values, lhFloat32, op)) == 0x7fc00000u);
    }
  }
  for (const lhRedOp_t op : {lhMax, lhMin}) {
    CHECK(std::signbit(reduced<float>({-0.0f, 0.0f}, lhFloat32, op)));
    CHECK_FALSE(std::signbit(reduced<float>({0.0f, -0.0f}, lhFloat32, op)));
    CHECK(std::signbit(reduced<double>({-0.0, 0.0, 0.0}, lhFloat64, op)));
  }
}

TEST_CASE("16-bit floats round once, after the division", "[unit]") {
  // 1 + 2^-8 + 2^-8: rounding to bf16 after each addition would lose both small terms.
  CHECK(reduced<std::uint16_t>({0x3f80, 0x3b80, 0x3b80}, lhBfloat16, lhSum) == 0x3f81);
  // 60000 + 60000 overflows fp16, its average does not.
  CHECK(reduced<std::uint16_t>({0x7b53, 0x7b53}, lhFloat16, lhAvg, 2) == 0x7b53);
  CHECK(reduced<std::uint16_t>({0x7b53, 0x7b53}, lhFloat16, lhSum) == 0x7c00);
}

TEST_CASE("sum_to_float and from_float equal the naive forms", "[unit]") {
  const test::UseTarget use(GENERATE(from_range(test::simd_targets())));
  Random random(5);
  for (const lhDataType_t type : {lhFloat16, lhFloat32, lhBfloat16}) {
    for (const std::size_t count : {0u, 1u, 130u, 5000u}) {
      for (const std::size_t sources : {1u, 2u, 3u, 9u}) {
        INFO("type " << type << " count " << count << " sources " << sources);
        std::vector<Guarded> memory;
        std::vector<const void*> pointers;
        for (std::size_t s = 0; s < sources; ++s) {
          memory.emplace_back(count * kernels::size_of(type), random.below(64));
          memory.back().fill(random_bytes(random, count, type));
        }
        for (Guarded& one : memory) pointers.push_back(one.data());
        Guarded sum(4 * count, random.below(64));
        kernels::sum_to_float(sum.floats(), pointers, count, type);
        const std::uint64_t divisor = sources;
        Guarded back(count * kernels::size_of(type), random.below(64));
        kernels::from_float(back.data(), sum.floats(), count, type, divisor);
        std::size_t wrong_sum = 0, wrong_back = 0;
        for (std::size_t i = 0; i < count; ++i) {
          std::vector<float> values;
          for (Guarded& one : memory) {
            if (type == lhFloat32) values.push_back(one.at<float>(i));
            if (type == lhFloat16)
              values.push_back(static_cast<float>(test::naive_widen(one.at<std::uint16_t>(i), test::kFp16)));
            if (type == lhBfloat16)
              values.push_back(static_cast<float>(test::naive_widen(one.at<std::uint16_t>(i), test::kBf16)));
          }
          const bool copied = type == lhFloat32 && sources == 1;
          const float total = copied ? values[0] : naive_float(values, lhSum, 1);
          wrong_sum += std::bit_cast<std::uint32_t>(sum.at<float>(i)) != std::bit_cast<std::uint32_t>(total);
          const float shared = divisor > 1 ? naive_float<float>({total}, lhAvg, divisor) : total;
          if (type == lhFloat32) wrong_back += back.at<std::uint32_t>(i) != std::bit_cast<std::uint32_t>(shared);
          if (type == lhFloat16) wrong_back += back.at<std::uint16_t>(i) != test::naive_narrow(shared, test::kFp16);
          if (type == lhBfloat16) wrong_back += back.at<std::uint16_t>(i) != test::naive_narrow(shared, test::kBf16);
        }
        CHECK(wrong_sum == 0);
        CHECK(wrong_back == 0);
        CHECK(sum.intact());
        CHECK(back.intact());
      }
    }
  }
}

TEST_CASE("sum_to_float and from_float work in place on fp32", "[unit]") {
  std::vector<float> a = {1, 2, 3}, b = {10, 20, 30};
  const std::array<const void*, 2> sources = {a.data(), b.data()};
  kernels::sum_to_float(b.data(), sources, 3, lhFloat32);
  CHECK(b == std::vector<float>{11, 22, 33});
  kernels::from_float(b.data(), b.data(), 3, lhFloat32, 2);
  CHECK(b == std::vector<float>{5.5f, 11, 16.5f});
  kernels::from_float(b.data(), b.data(), 3, lhFloat32, 1);
  CHECK(b == std::vector<float>{5.5f, 11, 16.5f});
}

TEST_CASE("sizes of types; values that are none", "[unit]") {
  CHECK(kernels::size_of(lhInt8) == 1);
  CHECK(kernels::size_of(lhBfloat16) == 2);
  CHECK(kernels::size_of(lhFloat32) == 4);
  CHECK(kernels::size_of(lhUint64) == 8);
  CHECK(kernels::size_of(static_cast<lhDataType_t>(10)) == 0);
  CHECK(kernels::is_codec_float(lhFloat16));
  CHECK(kernels::is_codec_float(lhBfloat16));
  CHECK(kernels::is_codec_float(lhFloat32));
  CHECK_FALSE(kernels::is_codec_float(lhFloat64));
  CHECK_FALSE(kernels::is_codec_float(lhInt32));
}
