// SPDX-License-Identifier: Apache-2.0
// fp16 and bf16 conversions against a definition in double: all 65536 codes, and many fp32 values.
#include "kernels/float16.h"

#include <bit>
#include <cmath>

#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;

namespace {

std::uint32_t bits(float x) { return std::bit_cast<std::uint32_t>(x); }

/// Counted, then required once: 65536 assertions of Catch2 are slow.
template <typename Widen, typename Narrow>
void check_all_codes(Widen widen, Narrow narrow, test::Shape shape) {
  int wrong_value = 0, wrong_nan = 0, wrong_back = 0;
  for (std::uint32_t code = 0; code < 0x10000; ++code) {
    const auto half = static_cast<std::uint16_t>(code);
    const float wide = widen(half);
    if ((half & 0x7fff) > test::inf_of(shape)) {
      const std::uint32_t payload = (code & ((1u << shape.mantissa) - 1)) << (23 - shape.mantissa);
      const std::uint32_t expected = (code & 0x8000) << 16 | 0x7fc00000 | payload;
      wrong_nan += bits(wide) != expected;
      wrong_back += narrow(wide) != (half | 1u << (shape.mantissa - 1));
    } else {
      wrong_value += bits(wide) != bits(static_cast<float>(test::naive_widen(half, shape)));
      wrong_back += narrow(wide) != half;
    }
  }
  CHECK(wrong_value == 0);
  CHECK(wrong_nan == 0);
  CHECK(wrong_back == 0);
}

template <typename Narrow>
void check_narrow(Narrow narrow, test::Shape shape) {
  int wrong = 0;
  const auto check = [&](std::uint32_t pattern) {
    const float x = std::bit_cast<float>(pattern);
    if (narrow(x) != test::naive_narrow(x, shape)) {
      if (wrong++ == 0) FAIL_CHECK("first wrong pattern " << pattern);
    }
  };
  for (std::uint64_t pattern = 0; pattern < 0x100000000; pattern += 1009) check(static_cast<std::uint32_t>(pattern));
  Random random(1);
  for (int i = 0; i < 500'000; ++i) check(static_cast<std::uint32_t>(random.next()));
  // Every code, every midpoint between two codes, and their neighbours.
  for (std::uint32_t half = 0; half < 0x10000; ++half) {
    const double value = test::naive_widen(static_cast<std::uint16_t>(half), shape);
    if (!std::isfinite(value)) continue;
    const std::uint32_t exact = bits(static_cast<float>(value));
    const std::uint32_t next = bits(static_cast<float>(test::naive_widen(static_cast<std::uint16_t>(half + 1), shape)));
    const std::uint32_t middle = bits(static_cast<float>((value + std::bit_cast<float>(next)) / 2));
    for (const std::uint32_t around : {exact, middle}) {
      for (std::uint32_t step = 0; step < 3; ++step) check(around + step - 1);
    }
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("fp16: every code to fp32 and back", "[unit]") {
  check_all_codes(kernels::fp16_to_float, kernels::float_to_fp16, test::kFp16);
}

TEST_CASE("bf16: every code to fp32 and back", "[unit]") {
  check_all_codes(kernels::bf16_to_float, kernels::float_to_bf16, test::kBf16);
}

TEST_CASE("fp32 to fp16 rounds to nearest even", "[unit]") { check_narrow(kernels::float_to_fp16, test::kFp16); }

TEST_CASE("fp32 to bf16 rounds to nearest even", "[unit]") { check_narrow(kernels::float_to_bf16, test::kBf16); }

TEST_CASE("fp16 and bf16: limits by hand", "[unit]") {
  CHECK(kernels::float_to_fp16(65504.0f) == 0x7bff);
  CHECK(kernels::float_to_fp16(65519.99609375f) == 0x7bff);
  CHECK(kernels::float_to_fp16(65520.0f) == 0x7c00);
  CHECK(kernels::float_to_fp16(-1e30f) == 0xfc00);
  CHECK(kernels::float_to_fp16(0x1p-24f) == 0x0001);
  CHECK(kernels::float_to_fp16(0x1p-25f) == 0x0000);
  CHECK(kernels::float_to_fp16(-0x1.8p-25f) == 0x8001);
  CHECK(kernels::float_to_fp16(0x1.ffcp-15f) == 0x0400);  // a tie at the edge of the denormals
  CHECK(kernels::float_to_bf16(0x1.01p0f) == 0x3f80);
  CHECK(kernels::float_to_bf16(0x1.03p0f) == 0x3f82);
  CHECK(kernels::float_to_bf16(3.4028235e38f) == 0x7f80);
}

TEST_CASE("bf16 that stays finite differs from plain rounding only at the top", "[unit]") {
  int wrong = 0;
  for (std::uint64_t pattern = 0; pattern < 0x100000000; pattern += 1009) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(pattern));
    std::uint16_t expected = test::naive_narrow(x, test::kBf16);
    if (std::isfinite(x) && (expected & 0x7fff) == 0x7f80) expected = static_cast<std::uint16_t>(expected - 1);
    wrong += kernels::float_to_finite_bf16(x) != expected;
  }
  CHECK(wrong == 0);
  CHECK(kernels::float_to_finite_bf16(3.4028235e38f) == 0x7f7f);
  CHECK(kernels::float_to_finite_bf16(-3.4028235e38f) == 0xff7f);
  CHECK(kernels::float_to_finite_bf16(HUGE_VALF) == 0x7f80);
  CHECK(kernels::float_to_finite_bf16(-HUGE_VALF) == 0xff80);
}

TEST_CASE("bf16 rounded up is the least bf16 that is not below", "[unit]") {
  Random random(2);
  int wrong = 0;
  for (int i = 0; i < 500'000; ++i) {
    const float x = std::bit_cast<float>(static_cast<std::uint32_t>(random.below(0x7f7f0000)));
    const std::uint16_t up = kernels::float_to_bf16_up(x);
    wrong += test::naive_widen(up, test::kBf16) < static_cast<double>(x);
    if (up > 0) wrong += test::naive_widen(static_cast<std::uint16_t>(up - 1), test::kBf16) >= static_cast<double>(x);
  }
  CHECK(wrong == 0);
}

TEST_CASE("every NaN becomes the one quiet NaN, other values stay", "[unit]") {
  for (const std::uint32_t nan : {0x7f800001u, 0x7fffffffu, 0xff800001u, 0xffc00000u, 0x7fc00000u}) {
    CHECK(bits(kernels::canonical(std::bit_cast<float>(nan))) == 0x7fc00000u);
  }
  for (const float x : {0.0f, -0.0f, 1.5f, HUGE_VALF, -HUGE_VALF, 1e-42f})
    CHECK(bits(kernels::canonical(x)) == bits(x));
  CHECK(std::bit_cast<std::uint64_t>(kernels::canonical(-std::nan(""))) == 0x7ff8000000000000u);
}
