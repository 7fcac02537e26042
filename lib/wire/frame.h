// SPDX-License-Identifier: Apache-2.0
// The frame: what one post of a transport carries between two authenticated ranks. A fixed 96-byte header, then up to
// kMaxInlineBytes of inline payload in the same header area (copied by the transport) or a separate payload. Little endian.
// docs/wire-format.md has the table; golden vectors are in tests/unit/wire_frame_test.cpp. Total functions, no I/O.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "wire/message.h"

namespace longhaul::wire {

constexpr std::uint32_t kFrameMagic = 0x3146484c;  // "LHF1"
constexpr std::uint8_t kFrameVersion = 1;
constexpr std::size_t kFrameHeaderBytes = 96;
constexpr std::size_t kMaxInlineBytes = 160;  // with the header below the transport's limit of 256

enum class FrameType : std::uint8_t {
  Data = 1,  ///< carries a Message, acknowledged and resent
  Ack = 2,   ///< inline payload: bitmap of received sequence numbers, bit i = cumulative + 1 + i
  Ping = 3,  ///< `time` is the sender's clock
  Pong = 4,  ///< `time` is that of the ping it answers
};

struct Frame {
  FrameType type = FrameType::Data;
  std::uint64_t session_id = 0;  ///< from the handshake of the stream it travels on
  std::uint64_t sequence = 0;    ///< Data: from 1 per session; else 0
  std::uint64_t acknowledged = 0;  ///< all sequence numbers up to this one have arrived here
  std::uint64_t credit = 0;        ///< the peer may have sent this many bytes in total (see link/session.h)
  std::uint64_t time = 0;          ///< Ping, Pong
  Message message;                 ///< Data
  bool operator==(const Frame&) const = default;
};

/// Header bytes as they go to Transport::post: the header and the inline payload.
struct EncodedHeader {
  std::array<std::byte, kFrameHeaderBytes + kMaxInlineBytes> bytes;
  std::size_t size = 0;
  ConstBytes view() const { return ConstBytes(bytes).first(size); }
};

/// Writes header, inline payload (at most kMaxInlineBytes) and the XXH3-64 checksum over both and `payload`.
void encode_frame(const Frame& frame, ConstBytes inline_payload, ConstBytes payload, EncodedHeader* out);

struct DecodedFrame {
  Frame frame;
  ConstBytes inline_payload;  ///< view into the header bytes
};

/// Nothing for anything that is not exactly one undamaged frame of this version.
std::optional<DecodedFrame> decode_frame(ConstBytes header, ConstBytes payload);

}  // namespace longhaul::wire
