// SPDX-License-Identifier: Apache-2.0
// Behind the checksum: well-formed frames with hostile fields in any order, mixed with our own sends, losses and time. A session
// must stay within its bounds whatever an authenticated peer says.
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "link/session.h"

using namespace longhaul;

namespace {

constexpr std::uint64_t kSession = 42;

void feed(link::Session* session, const std::uint8_t* field, TimeNs now) {
  wire::Frame frame;
  frame.type = static_cast<wire::FrameType>(1 + field[0] % 4);
  frame.session_id = field[0] & 0x80 ? kSession + 1 : kSession;
  std::memcpy(&frame.sequence, field + 1, 2);
  std::memcpy(&frame.acknowledged, field + 3, field[0] & 0x40 ? 8 : 2);
  std::memcpy(&frame.credit, field + 5, 8);
  std::memcpy(&frame.time, field + 6, 8);
  wire::EncodedHeader header;
  wire::encode_frame(frame, ConstBytes(reinterpret_cast<const std::byte*>(field), field[1] % 16), {}, &header);
  const auto delivery = session->on_frame(field[2] % 2, header.view(), {}, now);
  if (delivery) session->consumed(delivery->cost);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  link::SessionOptions options;
  options.peer_name = "peer";
  options.dialer = size % 2 == 0;
  options.streams = 2;
  options.window_frames = 16;
  options.window_bytes = 16 << 10;
  link::Session session(options);
  TimeNs now = kSecond;
  for (int stream = 0; stream < 2; ++stream) session.stream_up(stream, kSession, now);
  link::Transmission transmission;
  for (std::size_t at = 0; at + 16 <= size; at += 16) {
    const std::uint8_t* field = data + at;
    now += static_cast<TimeNs>(field[15]) * kMillisecond;
    session.on_time(now);
    switch (field[14] % 8) {
      case 0:
        if (session.can_send()) session.send({}, ConstBytes(reinterpret_cast<const std::byte*>(field), 8));
        break;
      case 1:
        session.stream_down(field[0] % 2, field[1] % 2, "fuzz", now);
        break;
      case 2:
        session.stream_up(field[0] % 2, kSession, now);
        break;
      default:
        feed(&session, field, now);
    }
    for (int i = 0; i < 64 && session.next_transmission(now, &transmission); ++i) {
    }
    while (session.next_action(now)) {
    }
  }
  return 0;
}
