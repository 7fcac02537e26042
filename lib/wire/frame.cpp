// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.h"

#include <xxhash.h>

#include "base/check.h"

namespace longhaul::wire {
namespace {

constexpr std::size_t kChecksumOffset = kFrameHeaderBytes - 8;

/// Payloads are bulk: hashed on their own, then the small hash is chained with the header's bytes.
std::uint64_t checksum(ConstBytes header, ConstBytes payload) {
  const std::uint64_t of_payload = payload.empty() ? 0 : XXH3_64bits(payload.data(), payload.size());
  std::array<std::byte, kFrameHeaderBytes + kMaxInlineBytes> covered;
  ByteWriter writer(covered);
  writer.bytes(header.first(kChecksumOffset));
  writer.u64(of_payload);
  writer.bytes(header.subspan(kFrameHeaderBytes));
  return XXH3_64bits(covered.data(), writer.size());
}

}  // namespace

void encode_frame(const Frame& frame, ConstBytes inline_payload, ConstBytes payload, EncodedHeader* out) {
  LH_CHECK(inline_payload.size() <= kMaxInlineBytes);
  ByteWriter writer(out->bytes);
  writer.u32(kFrameMagic);
  writer.u8(kFrameVersion);
  writer.u8(static_cast<std::uint8_t>(frame.type));
  writer.u16(static_cast<std::uint16_t>(inline_payload.size()));
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  writer.u32(frame.message.kind);
  writer.u64(frame.session_id);
  writer.u64(frame.sequence);
  writer.u64(frame.acknowledged);
  writer.u64(frame.credit);
  writer.u64(frame.type == FrameType::Data ? frame.message.operation : frame.time);
  writer.u64(frame.message.signature);
  writer.u64(frame.message.begin);
  writer.u32(frame.message.chunk);
  writer.u32(frame.message.codec);
  writer.u64(0);  // reserved, zero in this version
  writer.u64(0);  // checksum
  writer.bytes(inline_payload);
  out->size = writer.size();
  ByteWriter(Bytes(out->bytes).subspan(kChecksumOffset)).u64(checksum(out->view(), payload));
}

std::optional<DecodedFrame> decode_frame(ConstBytes header, ConstBytes payload) {
  if (header.size() < kFrameHeaderBytes || header.size() > kFrameHeaderBytes + kMaxInlineBytes) return std::nullopt;
  ByteReader reader(header);
  DecodedFrame decoded;
  Frame& frame = decoded.frame;
  if (reader.u32() != kFrameMagic || reader.u8() != kFrameVersion) return std::nullopt;
  const std::uint8_t type = reader.u8();
  if (type < 1 || type > 4) return std::nullopt;
  frame.type = static_cast<FrameType>(type);
  decoded.inline_payload = header.subspan(kFrameHeaderBytes);
  if (reader.u16() != decoded.inline_payload.size() || reader.u32() != payload.size()) return std::nullopt;
  frame.message.kind = reader.u32();
  frame.session_id = reader.u64();
  frame.sequence = reader.u64();
  frame.acknowledged = reader.u64();
  frame.credit = reader.u64();
  const std::uint64_t operation_or_time = reader.u64();
  (frame.type == FrameType::Data ? frame.message.operation : frame.time) = operation_or_time;
  frame.message.signature = reader.u64();
  frame.message.begin = reader.u64();
  frame.message.chunk = reader.u32();
  frame.message.codec = reader.u32();
  if (reader.u64() != 0 || reader.u64() != checksum(header, payload)) return std::nullopt;
  return decoded;
}

}  // namespace longhaul::wire
