// SPDX-License-Identifier: Apache-2.0
// The exact bytes of a few blobs, to be read beside docs/codecs.md.
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
  std::vector<std::byte> blob(codec->most_bytes(values.size()), std::byte{0xee});
  const std::size_t size = codec->encode(values.data(), values.size(), {}, blob.data());
  REQUIRE(size <= blob.size());
  blob.resize(size);
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

const std::string kZeros(30, '0');

}  // namespace

TEST_CASE("i8 blobs", "[unit]") {
  // Scales padded to 16 bytes, then the codes.
  check_blob(encoded(lhCodecI8, {1, -0.5f, 0.25f, -0.0f, 0.003f, -1, 0.00390625f}), 144, "023c00000000000000000000000000007ec120000082");
  check_blob(encoded(lhCodecI8, {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 126.5f}), 144, "803f00000000000000000000000000007f00020200fefe7e");
  check_blob(encoded(lhCodecI8, {3.4028234663852886e38f, -3.4028234663852886e38f, 1e38f}), 144, "027c00000000000000000000000000007e8225");
  check_blob(encoded(lhCodecI8, {}), 0, "");
}

TEST_CASE("i8 blobs at the smallest magnitude", "[unit]") {
  check_blob(encoded(lhCodecI8, {0x1p-110f, -0x1p-111f}), 144, "020500000000000000000000000000007ec1");
  check_blob(encoded(lhCodecI8, {0x1.fffffep-111f, -0.0f, 1e-40f}), 144, "");
}

TEST_CASE("i8 blob of two blocks", "[unit]") {
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

TEST_CASE("bf16 blob", "[unit]") {
  std::vector<float> values;
  for (const std::uint32_t bits :
       {0x3f800000u, 0xbf808000u, 0x3f818000u, 0x7f7fffffu, 0xff800000u, 0x7f800001u, 0xffc12345u, 0x80000000u, 0x00008001u, 0x80018000u}) {
    values.push_back(std::bit_cast<float>(bits));
  }
  check_blob(encoded(lhCodecBf16, values), 32, "803f80bf823f7f7f80ffc07fc1ff008001000280");
}

TEST_CASE("f4 blob: exponent, scales, codes", "[unit]") {
  // 2688 = 6 * 448: the power of two is 1, the scale 448 (0x7e), and the codes are those of 6, 4, -3, 2, 1.5, 1, .5, 0.
  check_blob(encoded(lhCodecF4, {2688, 1792, -1344, 896, 672, 448, 224, 0}), 48, "7f" + kZeros + "7e" + kZeros + "674d2301");
}

TEST_CASE("lossless blobs: raw, 4 or 2 bytes a value", "[unit]") {
  check_blob(encoded(lhCodecLossless, {1.0f, 0x1.000002p0f}), 32, "0004" + std::string(28, '0') + "0000803f0100803f");
  check_blob(encoded(lhCodecLossless, {1.0f, -2.0f}), 32, "0002" + std::string(28, '0') + "803f00c0");
}
