// SPDX-License-Identifier: Apache-2.0
#include "wire/announcement.h"

#include <xxhash.h>

#include <array>
#include <string_view>

namespace longhaul::wire {

std::uint64_t Announcement::signature() const {
  std::array<std::byte, kAnnouncementBytes> bytes;
  ByteWriter writer(bytes);
  encode(*this, &writer);
  return XXH3_64bits(bytes.data(), writer.size());
}

void encode(const Announcement& announcement, ByteWriter* writer) {
  writer->u8(announcement.collective);
  writer->u8(announcement.type);
  writer->u8(announcement.op);
  writer->u8(announcement.codec);
  writer->u8(announcement.scope);
  writer->u32(announcement.root);
  writer->u64(announcement.count);
  writer->u32(announcement.plugin);
  writer->u64(announcement.number);
}

std::optional<Announcement> decode_announcement(ConstBytes bytes) {
  ByteReader reader(bytes);
  Announcement announcement;
  announcement.collective = reader.u8();
  announcement.type = reader.u8();
  announcement.op = reader.u8();
  announcement.codec = reader.u8();
  announcement.scope = reader.u8();
  announcement.root = reader.u32();
  announcement.count = reader.u64();
  announcement.plugin = reader.u32();
  announcement.number = reader.u64();
  if (!reader.complete()) return std::nullopt;
  return announcement;
}

void encode(const FailureNotice& notice, ByteWriter* writer) {
  writer->u32(static_cast<std::uint32_t>(notice.code));
  writer->u32(notice.origin);
  writer->text(std::string_view(notice.text).substr(0, kMaxFailureText));
}

std::optional<FailureNotice> decode_failure(ConstBytes bytes) {
  ByteReader reader(bytes);
  FailureNotice notice;
  const std::uint32_t code = reader.u32();
  notice.origin = reader.u32();
  notice.text = std::string(reader.text());
  if (!reader.complete() || notice.text.size() > kMaxFailureText) return std::nullopt;
  for (char& c : notice.text) c = c >= ' ' && c <= '~' ? c : '?';
  // Only codes that make sense to hear from a peer; the rest means "something failed over there".
  switch (code) {
    case lhInvalidUsage:
    case lhTimeout:
    case lhSiteLost:
    case lhDataCorrupt:
      notice.code = static_cast<lhResult_t>(code);
      break;
    default:
      notice.code = lhRemoteError;
  }
  return notice;
}

}  // namespace longhaul::wire
