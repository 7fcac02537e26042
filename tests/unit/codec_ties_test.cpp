// SPDX-License-Identifier: Apache-2.0
// Where two answers are as near: what the formats say, by numbers made for it. Random numbers meet few ties.
#include "codec/codec.h"
#include "kernels/memory.h"
#include "support/catch.h"
#include "support/simd_targets.h"

using namespace longhaul;

namespace {

/// What `values` become, in every instruction set and in the reference; `blob`, too.
void check(lhCodec_t id, const std::vector<float>& values, const std::vector<float>& expected, std::vector<std::byte>* blob = nullptr) {
  const codec::Codec& codec = *codec::find(id);
  for (std::size_t form = 0; form <= test::simd_targets().size(); ++form) {
    const bool reference = form == test::simd_targets().size();
    const test::UseTarget use(test::simd_targets()[reference ? 0 : form]);
    const kernels::CodecForm& kernels = reference ? *codec.kernels->reference : *codec.kernels->simd;
    std::vector<std::byte> bytes(codec.most_bytes(values.size()));
    bytes.resize(kernels.encode(values.data(), values.size(), {}, bytes.data()));
    std::vector<float> decoded(codec.accumulator_values(values.size()));
    kernels.decode_add(bytes.data(), values.size(), true, decoded.data());
    decoded.resize(expected.size());
    INFO("codec " << codec.name << (reference ? ", reference" : ", SIMD"));
    CHECK((decoded == expected));
    if (blob && form > 0) CHECK((bytes == *blob));
    if (blob) *blob = bytes;
  }
}

std::vector<float> repeated(std::vector<float> some, std::size_t count) {
  const std::size_t period = some.size();
  for (std::size_t i = period; i < count; ++i) some.push_back(some[i - period]);
  return some;
}

}  // namespace

TEST_CASE("bf16: ties go to the even code", "[unit]") {
  check(lhCodecBf16, repeated({0x1.01p0F, 0x1.03p0F, -0x1.01p0F, -0x1.03p0F}, 64), repeated({1.0F, 0x1.04p0F, -1.0F, -0x1.04p0F}, 64));
}

TEST_CASE("i8: ties go to the even code", "[unit]") {
  // The scale of a block up to 126.9 is 1.
  check(lhCodecI8, repeated({126.9F, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -2.5F, 3.0F}, 128), repeated({127, 0, 2, 2, 0, -2, -2, 3}, 128));
}

TEST_CASE("i8: ties go to the larger scale only where it is needed", "[unit]") {
  // A 127th of it is a hair more than 1: the next bf16.
  check(lhCodecI8, repeated({127.00005F, 0.0F}, 128), repeated({126 * 1.0078125F, 0.0F}, 128));
  check(lhCodecI8, repeated({127.0F, 0.0F}, 128), repeated({127.0F, 0.0F}, 128));
}

TEST_CASE("f4: ties go to the even code", "[unit]") {
  // The step of a block up to 5.9 is 1, and its smallest code a half.
  const std::vector<float> values{5.9F, 0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5.0F, -0.25F, -0.75F, -1.25F, -1.75F, -2.5F, -3.5F, -5.0F, 0};
  const std::vector<float> decoded{6, 0, 1, 1, 2, 2, 4, 4, -0.0F, -1, -1, -2, -2, -4, -4, 0};
  check(lhCodecF4, repeated(values, 256), repeated(decoded, 256));
}

TEST_CASE("f4: 6 * 448 is reached with the exponent of 1, more is not", "[unit]") {
  std::vector<std::byte> blob;
  check(lhCodecF4, repeated({2688.0F}, 16), repeated({2688.0F}, 16), &blob);
  CHECK(blob[0] == std::byte{127});
  std::vector<std::byte> more(codec::find(lhCodecF4)->most_bytes(1));
  const float above = 0x1.500002p11F;
  REQUIRE(codec::find(lhCodecF4)->encode(&above, 1, {}, more.data()) != codec::kNone);
  CHECK(more[0] == std::byte{128});
}

TEST_CASE("f4: scales below 2^-6 are rounded up to whole steps, but only where they must be, and never to nothing", "[unit]") {
  const auto with_first = [](float first, float then) {
    std::vector<float> values(16, first);
    values.resize(32, then);
    return values;
  };
  std::vector<std::byte> blob;
  check(lhCodecF4, with_first(2688.0F, 18 * 0x1p-9F), with_first(2688.0F, 18 * 0x1p-9F), &blob);  // 3 steps of 2^-9
  CHECK(blob[17] == std::byte{3});
  std::vector<std::byte> far;
  // So far below the rest that nothing is left of its scale: the least there is.
  check(lhCodecF4, with_first(0x1p109F, 0x1p-109F), with_first(6 * 352 * 0x1p98F, 0.0F), &far);
  CHECK(far[17] == std::byte{1});
  // A sixth of it is a hair more than 1: the next scale.
  check(lhCodecF4, with_first(0x1.800002p2F, 0.0F), with_first(6 * 1.125F, 0.0F));
}

TEST_CASE("f4, r4 and r2 refuse from 2^110 on, not below", "[unit]") {
  for (const lhCodec_t id : {lhCodecF4, lhCodecR4, lhCodecR2}) {
    const codec::Codec& codec = *codec::find(id);
    std::vector<std::byte> blob(codec.most_bytes(1));
    for (const kernels::CodecForm* form : {codec.kernels->reference, codec.kernels->simd}) {
      const float limit = 0x1p110F, below = 0x1.fffffep109F;
      CHECK(form->encode(&limit, 1, {}, blob.data()) == codec::kNone);
      CHECK(form->encode(&below, 1, {}, blob.data()) != codec::kNone);
    }
  }
}

TEST_CASE("lossless: a state gives off a word when it is full to the brim", "[unit]") {
  // Zeros get half of the frequencies, which doubles a state with each: half of them reach 2^30 = 2048 << 19 exactly.
  std::vector<float> values(4096, 0.0F);
  for (std::size_t i = 0, left = 2041; i < values.size() && left > 0; ++i)
    if (i % 32 >= 16) values[i] = 1.0F + static_cast<float>(i) * 0x1p-20F, --left;
  std::vector<std::byte> blob;
  check(lhCodecLossless, values, values, &blob);
  CHECK(kernels::load<std::uint16_t>(blob.data() + 16, 0) == 2048);
  CHECK(kernels::load<std::uint32_t>(blob.data() + 48, 0) == 1u << 15);  // 128 doublings, 8 words
}

TEST_CASE("lossless: of equal windows the lowest, of equal symbols the first", "[unit]") {
  // As many values of exponent 50 as of exponent 100: no window holds both.
  std::vector<float> values = repeated({0x1.23p-77F, 0x1.45p-27F}, 4096);
  values.push_back(0x1.5p-78F);
  std::vector<std::byte> blob;
  check(lhCodecLossless, values, values, &blob);
  REQUIRE(blob[0] == std::byte{1});
  CHECK(blob[2] == std::byte{37});  // 37 to 50
  const auto frequency = [&](std::size_t symbol) { return kernels::load<std::uint16_t>(blob.data() + 16, symbol); };
  CHECK(frequency(14) == frequency(15) + 2);  // what rounding down has left of 4096
}
