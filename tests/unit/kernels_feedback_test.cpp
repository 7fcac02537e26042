// SPDX-License-Identifier: Apache-2.0
// Error feedback of values: every instruction set equals the arithmetic in all bits, and what may never come out of it.
#include "kernels/feedback.h"

#include <cmath>

#include "kernels/feedback/arithmetic.h"
#include "kernels/memory.h"
#include "support/catch.h"
#include "support/guard_pages.h"
#include "support/simd_targets.h"
#include "unit/kernels_support.h"

using namespace longhaul;
using namespace longhaul::kernels;

TEST_CASE("Residuals in every instruction set are those of the arithmetic", "[unit][kernels]") {
  Random random(5);
  constexpr std::size_t kMost = 300;
  test::GuardPages a(4 * kMost), b(4 * kMost), c(2 * kMost);
  std::size_t wrong = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::size_t count = random.below(kMost);
    const bool end = random.chance(0.5);
    const std::vector<float> values = test::samples(random, random.below(test::kKinds), count), decoded = test::samples(random, random.below(test::kKinds), count);
    for (const std::int64_t target : test::simd_targets()) {
      const test::UseTarget use(target);
      auto* one = reinterpret_cast<float*>(a.place(4 * count, end));
      auto* two = reinterpret_cast<float*>(b.place(4 * count, end));
      auto* kept = reinterpret_cast<std::uint16_t*>(c.place(2 * count, end));
      if (count) std::memcpy(one, values.data(), 4 * count), std::memcpy(two, decoded.data(), 4 * count);
      keep_residual(one, two, count, kept);
      for (std::size_t i = 0; i < count; ++i) wrong += load<std::uint16_t>(kept, i) != residual_of(values[i], decoded[i]);
      for (std::size_t i = 0; i < count; ++i) store<std::uint16_t>(kept, i, static_cast<std::uint16_t>(i * 2654435761u >> 7));
      add_residual(one, kept, count, one);
      for (std::size_t i = 0; i < count; ++i) wrong += bits_of(load<float>(one, i)) != bits_of(with_residual(values[i], load<std::uint16_t>(kept, i)));
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("A residual is what is missing, to half a unit of bf16", "[unit][kernels]") {
  CHECK(bf16_to_float(residual_of(1.25F, 1.0F)) == 0.25F);
  CHECK(bf16_to_float(residual_of(-3.0F, 1.0F)) == -4.0F);
  CHECK(bf16_to_float(residual_of(0x1.01p0F + 1, 1.0F)) == 1.0F);             // a tie goes to the even code
  CHECK(bf16_to_float(residual_of(0x1.03p0F + 1, 1.0F)) == 0x1.04p0F);
  CHECK(with_residual(1.0F, float_to_bf16(0.5F)) == 1.5F);
  CHECK(with_residual(1.0F, float_to_bf16(-0.5F)) == 0.5F);
}

TEST_CASE("Feedback makes neither Inf nor NaN", "[unit][kernels]") {
  const float most = 0x1.fffffep127F;
  CHECK(residual_of(NAN, 1.0F) == 0);
  CHECK(residual_of(INFINITY, INFINITY) == 0);
  CHECK(residual_of(INFINITY, 1.0F) == 0);
  CHECK(residual_of(most, -most) == 0);
  CHECK(std::isfinite(bf16_to_float(residual_of(most, 0.0F))));
  CHECK(with_residual(most, float_to_finite_bf16(most)) == most);
  CHECK(with_residual(INFINITY, float_to_bf16(-1.0F)) == INFINITY);
  CHECK(std::isnan(with_residual(NAN, float_to_bf16(1.0F))));
  const std::vector<float> values(40, most);
  const std::vector<std::uint16_t> residual(40, float_to_finite_bf16(most));
  std::vector<float> sums(40);
  add_residual(values.data(), residual.data(), 40, sums.data());
  CHECK((sums == values));
}
