// SPDX-License-Identifier: Apache-2.0
// Packet: what one read of a TUN device with a virtio-net header gives: one IP packet, or one TCP super-packet (segmentation
// offload) that stands for up to 44 packets on a wire. The emulator moves super-packets whole, because a read and a write for
// every 1500 bytes would make it the bottleneck, and cuts one only where the wire would have: at a lost segment.
// IPv4 only. Formats: linux/virtio_net.h, RFC 791, RFC 9293.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace longhaul::emulate {

class Packet {
 public:
  /// Room for the largest super-packet and its virtio-net header.
  static constexpr std::size_t kMaxBytes = 10 + 65536 + 64;

  /// `frame`: virtio-net header and IP packet. Nothing where it is not IPv4, or a super-packet that is not well-formed TCP.
  static std::optional<Packet> parse(ConstBytes frame);

  ConstBytes frame() const { return frame_; }
  /// Wire packets it stands for, at least 1.
  std::size_t segments() const { return segments_; }
  /// Bytes of wire packet i from its IP header on.
  std::size_t segment_bytes(std::size_t i) const;
  /// Destination address, in the host's byte order.
  std::uint32_t destination() const;

  /// Wire packets [first, first + count) as a packet of their own.
  Packet slice(std::size_t first, std::size_t count) const;

 private:
  Packet() = default;
  std::vector<std::byte> frame_;
  std::size_t segments_ = 1;
  std::size_t header_bytes_ = 0;   // IP and TCP headers of a super-packet
  std::size_t ip_bytes_ = 0;       // IP header alone
  std::size_t segment_payload_ = 0;
};

}  // namespace longhaul::emulate
