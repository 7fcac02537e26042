// SPDX-License-Identifier: Apache-2.0
// What every row of the codec table promises: names, sizes, error bound, totality of decode_add.
#include <limits>

#include "codec/codec.h"
#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;
using test::Guarded;

namespace {

const codec::Rotation kRotation{.key = 11, .operation = 22, .chunk = 33};

std::vector<std::byte> encoded(const codec::Codec& codec, const std::vector<float>& values) {
  std::vector<std::byte> blob(codec.most_bytes(values.size()));
  const std::size_t size = codec.encode(values.data(), values.size(), kRotation, blob.data());
  REQUIRE(size != codec::kNone);
  blob.resize(size);
  return blob;
}

std::vector<float> decoded(const codec::Codec& codec, const std::vector<std::byte>& blob, std::size_t count) {
  std::vector<float> values(codec.accumulator_values(count), 77.0f);
  REQUIRE(codec.decode_add(blob, count, true, values.data()));
  codec.finish(values.data(), count, kRotation);
  values.resize(count);
  return values;
}

std::vector<float> round_trip(const codec::Codec& codec, const std::vector<float>& values) {
  return decoded(codec, encoded(codec, values), values.size());
}

}  // namespace

TEST_CASE("codecs are found by id and name", "[unit]") {
  CHECK(codec::all().size() == 6);
  for (const codec::Codec& codec : codec::all()) {
    CHECK(codec::find(codec.id) == &codec);
    CHECK(codec::on_wire(static_cast<std::uint32_t>(codec.id)) == &codec);
    CHECK(codec::name_of(codec.id) == codec.name);
    CHECK(codec::parse(codec.name) == codec.id);
  }
  CHECK(codec::fallback().id == lhCodecBf16);
  CHECK(codec::find(lhCodecNone) == nullptr);
  CHECK(codec::find(lhCodecDefault) == nullptr);
  CHECK(codec::on_wire(lhCodecNone) == nullptr);
  CHECK(codec::on_wire(8) == nullptr);
  CHECK(codec::on_wire(0xffffffff) == nullptr);
}

TEST_CASE("names of codecs", "[unit]") {
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
  const auto size = [](lhCodec_t id, std::size_t count) { return codec::find(id)->most_bytes(count); };
  CHECK(size(lhCodecI8, 0) == 0);
  CHECK(size(lhCodecI8, 1) == 16 + 128);
  CHECK(size(lhCodecI8, 128) == 16 + 128);
  CHECK(size(lhCodecI8, 129) == 16 + 256);
  CHECK(size(lhCodecI8, 1024) == 16 + 1024);
  CHECK(size(lhCodecI8, 1025) == 32 + 1152);
  CHECK(size(lhCodecBf16, 0) == 0);
  CHECK(size(lhCodecBf16, 1) == 16);
  CHECK(size(lhCodecBf16, 9) == 32);
  CHECK(size(lhCodecF4, 0) == 0);
  CHECK(size(lhCodecF4, 1) == 16 + 16 + 16);
  CHECK(size(lhCodecF4, 257) == 16 + 32 + 144);
  CHECK(size(lhCodecR4, 1) == 16 + 128);
  CHECK(size(lhCodecR4, 8 * 256 + 1) == 32 + 9 * 128);
  CHECK(size(lhCodecR2, 1) == 16 + 256);
  CHECK(size(lhCodecR2, 8 * 1024) == 16 + 8 * 256);
  CHECK(size(lhCodecLossless, 0) == 0);
  CHECK(size(lhCodecLossless, 5) == 16 + 32);
  const std::size_t most = std::numeric_limits<std::size_t>::max();
  for (const codec::Codec& codec : codec::all()) {
    // No wrap: a huge count must not match a small blob.
    for (const std::size_t count : {most, most - 1, most / 2 + 1, most / 8 + 1}) CHECK(codec.most_bytes(count) == most);
    // A slot of the engine holds a chunk of whole blocks of 1024, in pieces, each with this much to spare.
    for (std::size_t count = 1; count < 5000; ++count) REQUIRE(codec.most_bytes(count) <= 4 * ((count + 1023) / 1024 * 1024) + 64);
  }
}

TEST_CASE("bits a value", "[unit]") {
  Random random(10);
  const auto values = test::samples(random, 0, 1 << 17);
  const auto bits = [&](lhCodec_t id) { return 8.0 * static_cast<double>(encoded(*codec::find(id), values).size()) / (1 << 17); };
  CHECK(bits(lhCodecBf16) == 16.0);
  CHECK(bits(lhCodecI8) == 8.125);
  CHECK(bits(lhCodecR4) == 4.0625);
  CHECK(bits(lhCodecF4) <= 4.502);
  CHECK(bits(lhCodecR2) <= 2.016);
  CHECK(bits(lhCodecLossless) <= 27.5);
}

TEST_CASE("decoded values stay within the bound of the codec and stay finite", "[unit]") {
  Random random(10);
  for (const codec::Codec& codec : codec::all()) {
    for (std::uint64_t kind = 0; kind < test::kHostileFrom; ++kind) {
      int wrong = 0, refused = 0;
      for (int run = 0; run < 300; ++run) {
        const auto values = test::samples(random, kind, run % 2 == 0 ? 128 : 1500);
        std::vector<std::byte> blob(codec.most_bytes(values.size()));
        const std::size_t size = codec.encode(values.data(), values.size(), kRotation, blob.data());
        if (size == codec::kNone) {
          ++refused;
          continue;
        }
        blob.resize(size);
        const auto got = decoded(codec, blob, values.size());
        double largest = 0;
        for (const float x : values) largest = std::max(largest, std::fabs(static_cast<double>(x)));
        const double bound = codec.relative_bound > 0 && largest < 0x1p-110 ? largest : codec.relative_bound * largest;  // such blocks may vanish
        for (std::size_t i = 0; i < values.size(); ++i) {
          wrong += !std::isfinite(got[i]);
          wrong += !(std::fabs(static_cast<double>(got[i]) - static_cast<double>(values[i])) <= bound);
        }
      }
      INFO("codec " << codec.name << " kind " << kind);
      CHECK(wrong == 0);
      CHECK((refused == 0 || test::may_be_refused(kind)));
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
      const auto blob = encoded(i8, values);
      const auto bits = std::to_integer<unsigned>(blob[0]) | std::to_integer<unsigned>(blob[1]) << 8;
      const double scale = test::naive_widen(static_cast<std::uint16_t>(bits), test::kBf16);
      const auto got = decoded(i8, blob, values.size());
      if (bits == 0) continue;  // a block that vanished
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double error = std::fabs(static_cast<double>(got[i]) - static_cast<double>(values[i]));
        wrong += !(error <= scale * (0.5 + 0x1p-15));  // x * r itself is rounded
      }
    }
    INFO("kind " << kind);
    CHECK(wrong == 0);
  }
}

TEST_CASE("decode_add refuses every wrong size and leaves the sum alone", "[unit]") {
  Random random(12);
  for (const codec::Codec& codec : codec::all()) {
    for (const std::size_t count : {0u, 1u, 127u, 128u, 129u, 700u}) {
      const auto whole = encoded(codec, test::samples(random, 0, count));
      int wrong = 0;
      for (std::size_t size = 0; size <= whole.size() + 300; ++size) {
        std::vector<std::byte> blob(size);  // exactly `size` bytes: a sanitizer sees any read beyond
        std::copy_n(whole.begin(), std::min(size, whole.size()), blob.begin());
        Guarded sum(4 * codec.accumulator_values(count));
        sum.fill(std::vector<float>(codec.accumulator_values(count), 5.0f));
        const auto before = sum.copy();
        const bool first = size % 2 == 0;
        const bool accepted = codec.decode_add(blob, count, first, sum.floats());
        wrong += accepted != (size == whole.size());
        wrong += !accepted && sum.copy() != before;
        wrong += !sum.intact();
        wrong += codec.blob_bytes(blob, count) != (size < whole.size() ? codec::kNone : whole.size());
      }
      INFO("codec " << codec.name << " count " << count);
      CHECK(wrong == 0);
    }
    const std::vector<std::byte> blob(64);
    CHECK_FALSE(codec.decode_add(blob, std::numeric_limits<std::size_t>::max(), true, nullptr));
    CHECK_FALSE(codec.decode_add({}, std::numeric_limits<std::size_t>::max() / 2 + 1, true, nullptr));
  }
}

TEST_CASE("no values need no memory", "[unit]") {
  for (const codec::Codec& codec : codec::all()) {
    CHECK(codec.encode(nullptr, 0, kRotation, nullptr) == 0);
    CHECK(codec.decode_add({}, 0, true, nullptr));
    CHECK(codec.decode_add({}, 0, false, nullptr));
    codec.finish(nullptr, 0, kRotation);
  }
}

TEST_CASE("the fallback carries NaN and Inf with their sign", "[unit]") {
  const auto got = round_trip(codec::fallback(), {std::nanf(""), -std::nanf(""), HUGE_VALF, -HUGE_VALF, 1.0f});
  CHECK(std::bit_cast<std::uint32_t>(got[0]) == 0x7fc00000u);
  CHECK(std::bit_cast<std::uint32_t>(got[1]) == 0xffc00000u);
  CHECK(got[2] == HUGE_VALF);
  CHECK(got[3] == -HUGE_VALF);
  CHECK(got[4] == 1.0f);
}

TEST_CASE("decode_add adds: two blobs in order", "[unit]") {
  for (const codec::Codec& codec : codec::all()) {
    const auto a = encoded(codec, std::vector<float>(200, 1.0f)), b = encoded(codec, std::vector<float>(200, -3.0f));
    const std::size_t room = codec.accumulator_values(200);
    std::vector<float> first(room), second(room), sum(room);
    REQUIRE(codec.decode_add(a, 200, true, first.data()));
    REQUIRE(codec.decode_add(b, 200, true, second.data()));
    REQUIRE(codec.decode_add(a, 200, true, sum.data()));
    REQUIRE(codec.decode_add(b, 200, false, sum.data()));
    for (std::size_t i = 0; i < 200; ++i) REQUIRE(sum[i] == first[i] + second[i]);
  }
}
