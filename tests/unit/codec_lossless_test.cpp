// SPDX-License-Identifier: Apache-2.0
// lossless: every bit survives, and how many bits that takes.
#include "codec/codec.h"
#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;

namespace {

const codec::Codec& lossless() { return *codec::find(lhCodecLossless); }

/// Bits a value; fails where a bit is lost.
double bits_of(const std::vector<float>& values) {
  std::vector<std::byte> blob(lossless().most_bytes(values.size()));
  const std::size_t size = lossless().encode(values.data(), values.size(), {}, blob.data());
  REQUIRE(size <= blob.size());
  std::vector<float> got(values.size());
  REQUIRE(lossless().decode_add(std::span(blob).first(size), values.size(), true, got.data()));
  REQUIRE(std::memcmp(got.data(), values.data(), 4 * values.size()) == 0);
  return 8.0 * static_cast<double>(size) / static_cast<double>(values.size());
}

std::vector<float> drawn(double (*draw)(Random&), bool short_values) {
  Random random(41);
  std::vector<float> values(1 << 16);
  const std::uint32_t kept = short_values ? 0xffff0000 : 0xffffffff;  // GCC 12 with -fsanitize=thread would lose an `if` around the assignment
  for (float& value : values) {
    value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>(draw(random))) & kept);
  }
  return values;
}

double gauss(Random& random) { return 1e-3 * test::gauss(random); }
double laplace(Random& random) { return std::log(1 - random.uniform()) * (random.chance(0.5) ? 1e-4 : -1e-4); }
/// Gauss whose scale is log-normal.
double columns(Random& random) { return test::gauss(random) * std::exp(test::gauss(random)); }
/// Student's t with 3 degrees of freedom.
double heavy(Random& random) {
  const double a = test::gauss(random), b = test::gauss(random), c = test::gauss(random);
  return test::gauss(random) / std::sqrt((a * a + b * b + c * c) / 3);
}

}  // namespace

TEST_CASE("lossless: bits a value on the four distributions of gradients", "[unit]") {
  // docs/codecs.md: at most 11.2 a bf16 value and 27.5 an fp32 value.
  for (double (*draw)(Random&) : {gauss, laplace, columns, heavy}) {
    CHECK(bits_of(drawn(draw, true)) <= 11.2);
    CHECK(bits_of(drawn(draw, false)) <= 27.5);
  }
}

TEST_CASE("lossless keeps every bit of anything", "[unit]") {
  Random random(42);
  for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
    for (int run = 0; run < 100; ++run) bits_of(test::samples(random, kind, 1 + random.below(run % 10 == 0 ? 30000 : 300)));
  }
  bits_of(std::vector<float>(100000, 0.0f));
  bits_of(std::vector<float>(100000, -1.5f));
  bits_of(std::vector<float>(100000, std::bit_cast<float>(0x7fc12345u)));
}

TEST_CASE("lossless uses what repeats: zeros and equal numbers", "[unit]") {
  CHECK(bits_of(std::vector<float>(100000, 0.0f)) < 8.2);  // bf16 values: sign and mantissa remain
  CHECK(bits_of(std::vector<float>(100000, -1.5f)) < 8.2);
  CHECK(bits_of(std::vector<float>(100000, 1.1f)) < 24.2);
  Random random(43);
  auto sparse = test::samples(random, 0, 100000);
  for (float& value : sparse)
    if (random.chance(0.7)) value = 0;
  CHECK(bits_of(sparse) < 26.5);
}

TEST_CASE("lossless never takes more than the values and 31 bytes", "[unit]") {
  Random random(44);
  for (const std::size_t count : {1u, 2u, 31u, 32u, 100u, 1000u, 10000u}) {
    const auto noise = test::samples(random, test::kKinds - 1, count);  // any bits: incompressible
    CHECK(bits_of(noise) * static_cast<double>(count) <= 32.0 * static_cast<double>(count) + 31 * 8);
  }
}
