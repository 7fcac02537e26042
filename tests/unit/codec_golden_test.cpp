// SPDX-License-Identifier: Apache-2.0
// The exact bytes of a few blobs, derived with an independent implementation: they may change only with the wire
// version.
#include <fmt/format.h>

#include <string>

#include "codec/codec.h"
#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;

namespace {

std::vector<std::byte> encoded(lhCodec_t id, const std::vector<float>& values) {
  const codec::Codec* codec = codec::find(id);
  REQUIRE(codec != nullptr);
  std::vector<std::byte> blob(codec->encoded_bytes(values.size()), std::byte{0xee});
  REQUIRE(codec->encode(values.data(), values.size(), blob.data()));
  return blob;
}

std::string hex(const std::vector<std::byte>& bytes, std::size_t begin, std::size_t end) {
  std::string text;
  for (std::size_t i = begin; i < end; ++i) text += fmt::format("{:02x}", std::to_integer<unsigned>(bytes[i]));
  return text;
}

/// The blob has `bytes` bytes, starts with `start` (hex), and the rest is zero.
void check_blob(const std::vector<std::byte>& blob, std::size_t bytes, const std::string& start) {
  REQUIRE(blob.size() == bytes);
  CHECK(hex(blob, 0, start.size() / 2) == start);
  CHECK(hex(blob, start.size() / 2, bytes) == std::string(2 * bytes - start.size(), '0'));
}

std::uint64_t fnv(const std::vector<std::byte>& bytes) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::byte b : bytes) hash = (hash ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3;
  return hash;
}

/// 1000 values without any library function behind them, magnitude growing with the block.
std::vector<float> pattern() {
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) {
    values.push_back(static_cast<float>((i * i * 37 + i * 11) % 2003 - 1001) * 0x1p-7f *
                     static_cast<float>(1 + i / 128));
  }
  return values;
}

}  // namespace

TEST_CASE("i8 golden blobs", "[unit]") {
  // Scales padded to 16 bytes, then the codes.
  check_blob(encoded(lhCodecI8, {1, -0.5f, 0.25f, -0.0f, 0.003f, -1, 0.00390625f}), 144,
             "023c00000000000000000000000000007ec120000082");
  check_blob(encoded(lhCodecI8, {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f}), 144,
             "803f00000000000000000000000000007f00020200fefe7e");
  check_blob(encoded(lhCodecI8, {3.4028234663852886e38f, -3.4028234663852886e38f, 1e38f}), 144,
             "027c00000000000000000000000000007e8225");
  check_blob(encoded(lhCodecI8, {}), 0, "");
}

TEST_CASE("i8 golden blobs at the smallest magnitude", "[unit]") {
  check_blob(encoded(lhCodecI8, {0x1p-110f, -0x1p-111f}), 144, "020500000000000000000000000000007ec1");
  check_blob(encoded(lhCodecI8, {0x1.fffffep-111f, -0.0f, 1e-40f}), 144, "");
}

TEST_CASE("i8 golden blob of two blocks", "[unit]") {
  std::vector<float> values(130);
  values[0] = 2;
  values[127] = -2;
  values[128] = 0.1f;
  values[129] = -0.05f;
  const auto blob = encoded(lhCodecI8, values);
  REQUIRE(blob.size() == 272);
  CHECK(hex(blob, 0, 20) == "823c4f3a0000000000000000000000007e000000");
  CHECK(hex(blob, 143, 146) == "827fc1");
  CHECK(hex(blob, 146, 272).find_first_not_of('0') == std::string::npos);
}

TEST_CASE("bf16 golden blob", "[unit]") {
  std::vector<float> values;
  for (const std::uint32_t bits : {0x3f800000u, 0xbf808000u, 0x3f818000u, 0x7f7fffffu, 0xff800000u, 0x7f800001u,
                                   0xffc12345u, 0x80000000u, 0x00008001u, 0x80018000u}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  check_blob(encoded(lhCodecBf16, values), 32, "803f80bf823f7f7f80ffc07fc1ff008001000280");
}

TEST_CASE("golden digests of 1000 values", "[unit]") {
  CHECK(encoded(lhCodecI8, pattern()).size() == 1040);
  CHECK(fnv(encoded(lhCodecI8, pattern())) == 0x3cbf0c2eddedd7ac);
  CHECK(encoded(lhCodecBf16, pattern()).size() == 2000);
  CHECK(fnv(encoded(lhCodecBf16, pattern())) == 0x8ccf55e139ac4755);
}
