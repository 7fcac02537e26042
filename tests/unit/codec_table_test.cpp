// SPDX-License-Identifier: Apache-2.0
// What every row of the codec table promises: names, sizes, error bound, totality of decode_add.
#include <limits>

#include "codec/codec.h"
#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;
using test::Guarded;

namespace {

std::vector<const codec::Codec*> all_codecs() {
  std::vector<const codec::Codec*> codecs;
  for (int id = 0; id <= lhCodecLossless; ++id) {
    if (const codec::Codec* found = codec::find(static_cast<lhCodec_t>(id))) codecs.push_back(found);
  }
  return codecs;
}

std::vector<float> round_trip(const codec::Codec& codec, const std::vector<float>& values) {
  std::vector<std::byte> blob(codec.encoded_bytes(values.size()));
  REQUIRE(codec.encode(values.data(), values.size(), blob.data()));
  std::vector<float> decoded(values.size(), 77.0f);
  REQUIRE(codec.decode_add(blob, values.size(), true, decoded.data()));
  return decoded;
}

}  // namespace

TEST_CASE("codecs are found by id and name", "[unit]") {
  CHECK(all_codecs().size() == 2);
  for (const codec::Codec* codec : all_codecs()) {
    CHECK(codec::find(codec->id) == codec);
    CHECK(codec::name_of(codec->id) == codec->name);
    CHECK(codec::parse(codec->name) == codec->id);
  }
  CHECK(codec::fallback().id == lhCodecBf16);
  CHECK(codec::find(lhCodecNone) == nullptr);
  CHECK(codec::find(lhCodecDefault) == nullptr);
  CHECK(codec::find(lhCodecR4) == nullptr);
}

TEST_CASE("names of codecs that this version lacks are known too", "[unit]") {
  const std::pair<const char*, lhCodec_t> names[] = {
      {"none", lhCodecNone}, {"bf16", lhCodecBf16},        {"i8", lhCodecI8}, {"r4", lhCodecR4}, {"f4", lhCodecF4},
      {"r2", lhCodecR2},     {"lossless", lhCodecLossless}};
  for (const auto& [name, id] : names) {
    CHECK(codec::parse(name) == id);
    CHECK(codec::name_of(id) == name);
  }
  for (const char* word : {"", "I8", "i8 ", "default", "int8", "nones"}) CHECK_FALSE(codec::parse(word).has_value());
  CHECK(codec::name_of(lhCodecDefault) == "default");
}

TEST_CASE("sizes of blobs", "[unit]") {
  const codec::Codec& i8 = *codec::find(lhCodecI8);
  CHECK(i8.encoded_bytes(0) == 0);
  CHECK(i8.encoded_bytes(1) == 16 + 128);
  CHECK(i8.encoded_bytes(128) == 16 + 128);
  CHECK(i8.encoded_bytes(129) == 16 + 256);
  CHECK(i8.encoded_bytes(1024) == 16 + 1024);
  CHECK(i8.encoded_bytes(1025) == 32 + 1152);
  CHECK(codec::fallback().encoded_bytes(0) == 0);
  CHECK(codec::fallback().encoded_bytes(1) == 16);
  CHECK(codec::fallback().encoded_bytes(9) == 32);
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const codec::Codec* codec : all_codecs()) {
    // No wrap: a huge count must not match a small blob.
    for (const std::size_t count : {most, most - 1, most / 2 + 1, most / 8 + 1})
      CHECK(codec->encoded_bytes(count) == most);
  }
}

TEST_CASE("decoded values stay within the bound of the codec and stay finite", "[unit]") {
  Random random(10);
  for (const codec::Codec* codec : all_codecs()) {
    for (std::uint64_t kind = 0; kind < test::kHostileFrom; ++kind) {
      int wrong = 0;
      for (int run = 0; run < 300; ++run) {
        const auto values = test::samples(random, kind, 128);
        const auto decoded = round_trip(*codec, values);
        double largest = 0;
        for (const float x : values) largest = std::max(largest, std::fabs(static_cast<double>(x)));
        const double bound = largest < 0x1p-110 ? largest : codec->relative_bound * largest;  // such blocks may vanish
        for (std::size_t i = 0; i < values.size(); ++i) {
          wrong += !std::isfinite(decoded[i]);
          wrong += !(std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(values[i])) <= bound);
        }
      }
      INFO("codec " << codec->name << " kind " << kind);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("i8 errs by at most half of its scale", "[unit]") {
  Random random(11);
  const codec::Codec& i8 = *codec::find(lhCodecI8);
  for (std::uint64_t kind = 0; kind < test::kHostileFrom; ++kind) {
    int wrong = 0;
    for (int run = 0; run < 300; ++run) {
      const auto values = test::samples(random, kind, 128);
      std::vector<std::byte> blob(i8.encoded_bytes(values.size()));
      REQUIRE(i8.encode(values.data(), values.size(), blob.data()));
      const auto bits = std::to_integer<unsigned>(blob[0]) | std::to_integer<unsigned>(blob[1]) << 8;
      const double scale = test::naive_widen(static_cast<std::uint16_t>(bits), test::kBf16);
      std::vector<float> decoded(values.size());
      REQUIRE(i8.decode_add(blob, values.size(), true, decoded.data()));
      if (bits == 0) continue;  // a block that vanished
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double error = std::fabs(static_cast<double>(decoded[i]) - static_cast<double>(values[i]));
        wrong += !(error <= scale * (0.5 + 0x1p-15));  // x * r itself is rounded
      }
    }
    INFO("kind " << kind);
    CHECK(wrong == 0);
  }
}

TEST_CASE("decode_add refuses every wrong size and leaves the sum alone", "[unit]") {
  for (const codec::Codec* codec : all_codecs()) {
    for (const std::size_t count : {0u, 1u, 127u, 128u, 129u, 700u}) {
      const std::size_t right = codec->encoded_bytes(count);
      int wrong = 0;
      for (std::size_t size = 0; size <= right + 300; ++size) {
        const std::vector<std::byte> blob(size,
                                          std::byte{0x3f});  // exactly `size` bytes: a sanitizer sees any read beyond
        Guarded sum(4 * count);
        sum.fill(std::vector<float>(count, 5.0f));
        const auto before = sum.copy();
        const bool first = size % 2 == 0;
        const bool accepted = codec->decode_add(blob, count, first, sum.floats());
        wrong += accepted != (size == right);
        wrong += !accepted && sum.copy() != before;
        wrong += !sum.intact();
      }
      INFO("codec " << codec->name << " count " << count);
      CHECK(wrong == 0);
    }
    const std::vector<std::byte> blob(64);
    CHECK_FALSE(codec->decode_add(blob, std::numeric_limits<std::size_t>::max(), true, nullptr));
    CHECK_FALSE(codec->decode_add({}, std::numeric_limits<std::size_t>::max() / 2 + 1, true, nullptr));
  }
}

TEST_CASE("no values need no memory", "[unit]") {
  for (const codec::Codec* codec : all_codecs()) {
    CHECK(codec->encode(nullptr, 0, nullptr));
    CHECK(codec->decode_add({}, 0, true, nullptr));
    CHECK(codec->decode_add({}, 0, false, nullptr));
  }
}

TEST_CASE("the fallback carries NaN and Inf with their sign", "[unit]") {
  const auto decoded = round_trip(codec::fallback(), {std::nanf(""), -std::nanf(""), HUGE_VALF, -HUGE_VALF, 1.0f});
  CHECK(std::bit_cast<std::uint32_t>(decoded[0]) == 0x7fc00000u);
  CHECK(std::bit_cast<std::uint32_t>(decoded[1]) == 0xffc00000u);
  CHECK(decoded[2] == HUGE_VALF);
  CHECK(decoded[3] == -HUGE_VALF);
  CHECK(decoded[4] == 1.0f);
}

TEST_CASE("decode_add adds: two blobs in order", "[unit]") {
  for (const codec::Codec* codec : all_codecs()) {
    const std::vector<float> a(200, 1.0f), b(200, -3.0f);
    const auto decoded_a = round_trip(*codec, a), decoded_b = round_trip(*codec, b);
    std::vector<std::byte> blob(codec->encoded_bytes(200));
    auto sum = decoded_a;
    REQUIRE(codec->encode(b.data(), 200, blob.data()));
    REQUIRE(codec->decode_add(blob, 200, false, sum.data()));
    for (std::size_t i = 0; i < 200; ++i) REQUIRE(sum[i] == decoded_a[i] + decoded_b[i]);
  }
}
