// SPDX-License-Identifier: Apache-2.0
// r4 and r2: the random signs, the size of the error, and the sum that is rotated back once.
#include "codec/codec.h"
#include "kernels/codecs/rotated/rotated.h"
#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;

namespace {

std::vector<float> round_trip(const codec::Codec& codec, const std::vector<std::vector<float>>& sites, const codec::Rotation& rotation) {
  const std::size_t count = sites[0].size();
  std::vector<float> sum(codec.accumulator_values(count));
  std::vector<std::byte> blob(codec.most_bytes(count));
  for (std::size_t site = 0; site < sites.size(); ++site) {
    const std::size_t size = codec.encode(sites[site].data(), count, rotation, blob.data());
    REQUIRE(size != codec::kNone);
    REQUIRE(codec.decode_add(std::span(blob).first(size), count, site == 0, sum.data()));
  }
  codec.finish(sum.data(), count, rotation);
  sum.resize(count);
  return sum;
}

/// |got - x|^2 / |x|^2
double relative_error(const std::vector<float>& got, const std::vector<float>& x) {
  double error = 0, energy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - static_cast<double>(x[i]), 2);
    energy += std::pow(static_cast<double>(x[i]), 2);
  }
  return error / energy;
}

/// Gauss, Gauss with a scale of its own for every 16 values, one large value in 500, alternating constants.
std::vector<float> distribution(Random& random, int which, std::size_t count) {
  std::vector<float> values(count);
  double scale = 1;
  for (std::size_t i = 0; i < count; ++i) {
    if (which == 1 && i % 16 == 0) scale = std::exp(test::gauss(random));
    const double heavy = which == 2 && random.below(500) == 0 ? 100 : 1;
    values[i] = static_cast<float>(which == 3 ? (i % 2 == 0 ? 1 : -1) : test::gauss(random) * scale * heavy);
  }
  return values;
}

}  // namespace

TEST_CASE("Philox gives the published numbers", "[unit]") {
  using kernels::philox;
  const auto same = [](const kernels::Philox& got, std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
    return got.words[0] == a && got.words[1] == b && got.words[2] == c && got.words[3] == d;
  };
  CHECK(same(philox({{0, 0, 0, 0}}, 0, 0), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));
  CHECK(same(philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u), 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));
  CHECK(same(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0), 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1));
}

TEST_CASE("errors of the 4- and 2-bit codecs, whatever the distribution", "[unit]") {
  // A codebook, threshold or scale that is wrong shows at once.
  const std::pair<lhCodec_t, double> most[] = {{lhCodecR4, 0.0120}, {lhCodecF4, 0.0110}, {lhCodecR2, 0.135}};
  for (const auto& [id, bound] : most) {
    for (int which = 0; which < 4; ++which) {
      Random random(31);
      const auto values = distribution(random, which, 1 << 16);
      const double error = relative_error(round_trip(*codec::find(id), {values}, {1, 2, 3}), values);
      INFO("codec " << codec::name_of(id) << " distribution " << which << " error " << error);
      CHECK(error < bound);
    }
  }
}

TEST_CASE("rotating codecs are unbiased: errors of many rotations cancel", "[unit]") {
  Random random(32);
  const auto values = distribution(random, 1, 1024);
  for (const lhCodec_t id : {lhCodecR4, lhCodecR2}) {
    std::vector<float> mean(values.size());
    double single = 0;
    constexpr std::uint32_t kTimes = 400;
    for (std::uint32_t chunk = 0; chunk < kTimes; ++chunk) {
      const auto got = round_trip(*codec::find(id), {values}, {5, 6, chunk});
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += got[i] / kTimes;
      single += relative_error(got, values) / kTimes;
    }
    INFO("codec " << codec::name_of(id) << " error of one " << single << " and of the mean " << relative_error(mean, values));
    CHECK(relative_error(mean, values) < 2.5 * single / kTimes);
  }
}

TEST_CASE("the sum of rotated sites, rotated back once, is the sum of the sites", "[unit]") {
  Random random(33);
  for (const lhCodec_t id : {lhCodecR4, lhCodecR2}) {
    const codec::Codec& codec = *codec::find(id);
    std::vector<std::vector<float>> sites;
    std::vector<float> one_by_one(3001);
    for (int site = 0; site < 5; ++site) {
      sites.push_back(distribution(random, site % 3, 3001));
      const auto got = round_trip(codec, {sites.back()}, {7, 8, 9});
      for (std::size_t i = 0; i < got.size(); ++i) one_by_one[i] += got[i];
    }
    CHECK(relative_error(round_trip(codec, sites, {7, 8, 9}), one_by_one) < 1e-12);
  }
}

TEST_CASE("another key, call or chunk rotates otherwise, and blocks only decode with their own", "[unit]") {
  Random random(34);
  const auto values = distribution(random, 0, 2048);
  for (const lhCodec_t id : {lhCodecR4, lhCodecR2}) {
    const codec::Codec& codec = *codec::find(id);
    const codec::Rotation own{1, 2, 3};
    std::vector<std::byte> blob(codec.most_bytes(values.size()));
    REQUIRE(codec.encode(values.data(), values.size(), own, blob.data()) == blob.size());
    for (const codec::Rotation other : {codec::Rotation{2, 2, 3}, codec::Rotation{1ull << 40 | 1, 2, 3}, codec::Rotation{1, 3, 3},
                                        codec::Rotation{1, 1ull << 33 | 2, 3}, codec::Rotation{1, 2, 4}}) {
      std::vector<float> sum(codec.accumulator_values(values.size()));
      REQUIRE(codec.decode_add(blob, values.size(), true, sum.data()));
      codec.finish(sum.data(), values.size(), other);
      CHECK(relative_error(sum, values) > 0.5);
    }
  }
}

TEST_CASE("numbers up to 2^110 are carried, from there on refused", "[unit]") {
  for (const lhCodec_t id : {lhCodecR4, lhCodecF4, lhCodecR2}) {
    const codec::Codec& codec = *codec::find(id);
    std::vector<float> values(1500, 0x1.fffffep109f);
    std::vector<std::byte> blob(codec.most_bytes(values.size()));
    const auto got = round_trip(codec, std::vector(64, values), {1, 1, 1});  // as many sites as there can be
    for (const float x : got) REQUIRE(std::isfinite(x));
    values[1400] = -0x1p110f;
    CHECK(codec.encode(values.data(), values.size(), {}, blob.data()) == codec::kNone);
  }
}
