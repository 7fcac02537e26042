// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.h"

#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"
#include "wire/announcement.h"

using namespace longhaul;
using namespace longhaul::wire;

namespace {

Frame sample() {
  return {.type = FrameType::Data,
          .session_id = 0x1122334455667788,
          .sequence = 42,
          .acknowledged = 41,
          .credit = 1 << 24,
          .time = 0,
          .message = {.kind = kContribution, .chunk = 7, .operation = 9, .signature = 0xabcdef, .begin = 4096, .codec = 3}};
}

std::string hex(ConstBytes bytes) {
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (const std::byte b : bytes) {
    text += digits[std::to_integer<unsigned>(b) >> 4];
    text += digits[std::to_integer<unsigned>(b) & 15];
  }
  return text;
}

}  // namespace

TEST_CASE("a frame comes back as it was encoded", "[unit][wire]") {
  const std::vector<std::byte> payload(1000, std::byte{5});
  const std::vector<std::byte> inline_payload(33, std::byte{9});
  for (const FrameType type : {FrameType::Data, FrameType::Ack, FrameType::Ping, FrameType::Pong}) {
    Frame frame = sample();
    frame.type = type;
    if (type != FrameType::Data) {
      frame.message.operation = 0;
      frame.time = 123456789;
    }
    EncodedHeader header;
    encode_frame(frame, inline_payload, payload, &header);
    REQUIRE(header.size == kFrameHeaderBytes + inline_payload.size());
    const auto decoded = decode_frame(header.view(), payload);
    REQUIRE(decoded);
    CHECK(decoded->frame == frame);
    CHECK(hex(decoded->inline_payload) == hex(inline_payload));
  }
}

TEST_CASE("the frame layout is fixed", "[unit][wire]") {
  EncodedHeader header;
  encode_frame(sample(), {}, {}, &header);
  // docs/wire-format.md; a change here breaks every running job that mixes versions.
  CHECK(hex(header.view()) ==
        "4c48463101010000" "0000000001000000" "8877665544332211" "2a00000000000000" "2900000000000000"
        "0000000100000000" "0900000000000000" "efcdab0000000000" "0010000000000000" "0700000003000000"
        "0000000000000000" + hex(header.view().subspan(88)));
}

TEST_CASE("every damaged frame is refused", "[unit][wire]") {
  const std::vector<std::byte> payload(64, std::byte{1});
  EncodedHeader header;
  encode_frame(sample(), std::vector<std::byte>(8, std::byte{2}), payload, &header);
  for (std::size_t bit = 0; bit < header.size * 8; ++bit) {
    EncodedHeader damaged = header;
    damaged.bytes[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    INFO("bit " << bit);
    CHECK_FALSE(decode_frame(damaged.view(), payload));
  }
  for (std::size_t bit = 0; bit < payload.size() * 8; ++bit) {
    auto damaged = payload;
    damaged[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
    CHECK_FALSE(decode_frame(header.view(), damaged));
  }
  for (std::size_t size = 0; size < header.size; ++size) CHECK_FALSE(decode_frame(header.view().first(size), payload));
  CHECK_FALSE(decode_frame(header.view(), ConstBytes(payload).first(63)));
}

TEST_CASE("random bytes are no frame", "[unit][wire]") {
  Random random(1);
  std::vector<std::byte> bytes(256);
  for (int i = 0; i < 20000; ++i) {
    for (auto& b : bytes) b = static_cast<std::byte>(random.next());
    CHECK_FALSE(decode_frame(ConstBytes(bytes).first(random.below(257)), {}));
  }
}

TEST_CASE("announcements and failure notices", "[unit][wire]") {
  const Announcement announcement{.collective = 1, .type = 7, .op = 4, .codec = 3, .scope = 1, .root = 5, .count = 1u << 30, .plugin = 7, .number = 9};
  std::vector<std::byte> bytes(2000);
  ByteWriter writer(bytes);
  encode(announcement, &writer);
  REQUIRE(writer.size() == kAnnouncementBytes);
  CHECK(decode_announcement(writer.written()) == announcement);
  CHECK_FALSE(decode_announcement(writer.written().first(16)));
  Announcement other = announcement;
  other.codec = 2;
  CHECK(other.signature() != announcement.signature());
  other = announcement;
  other.plugin = 8;
  CHECK(other.signature() != announcement.signature());

  SECTION("a failure's text is cut and cleaned, its code limited") {
    ByteWriter notice(bytes);
    encode(FailureNotice{.code = lhSuccess, .origin = 3, .text = std::string(5000, 'x') + "\x1b[31m"}, &notice);
    REQUIRE_FALSE(notice.failed());
    const auto decoded = decode_failure(notice.written());
    REQUIRE(decoded);
    CHECK(decoded->code == lhRemoteError);
    CHECK(decoded->text.size() == kMaxFailureText);
    ByteWriter escape(bytes);
    encode(FailureNotice{.code = lhTimeout, .origin = 3, .text = "a\x1b[31mb"}, &escape);
    CHECK(decode_failure(escape.written())->text == "a?[31mb");
    CHECK(decode_failure(escape.written())->code == lhTimeout);
  }
}
