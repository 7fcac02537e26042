// SPDX-License-Identifier: Apache-2.0
#include "emulate/packet.h"

#include <netinet/in.h>

#include <algorithm>
#include <cstring>

namespace longhaul::emulate {
namespace {

// linux/virtio_net.h is no C++ (a field is called class), so its numbers are written down here.
constexpr std::size_t kVirtio = 10;
constexpr std::size_t kGsoTypeAt = 1, kGsoSizeAt = 4;
constexpr std::uint8_t kGsoNone = 0, kGsoTcp4 = 1, kGsoEcn = 0x80;
constexpr std::uint8_t kFin = 0x01, kPush = 0x08, kCongestionWindowReduced = 0x80;

std::uint8_t u8(const std::vector<std::byte>& bytes, std::size_t at) { return std::to_integer<std::uint8_t>(bytes[at]); }
std::uint32_t be16(const std::vector<std::byte>& bytes, std::size_t at) {
  return static_cast<std::uint32_t>(u8(bytes, at)) << 8 | u8(bytes, at + 1);
}
std::uint32_t be32(const std::vector<std::byte>& bytes, std::size_t at) { return be16(bytes, at) << 16 | be16(bytes, at + 2); }
void put16(std::vector<std::byte>& bytes, std::size_t at, std::uint32_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value);
}
void put32(std::vector<std::byte>& bytes, std::size_t at, std::uint32_t value) {
  put16(bytes, at, value >> 16);
  put16(bytes, at + 2, value & 0xffff);
}

/// Ones' complement sum (RFC 1071), folded, not inverted.
std::uint32_t sum16(const std::vector<std::byte>& bytes, std::size_t begin, std::size_t end, std::uint32_t start) {
  std::uint64_t sum = start;
  for (std::size_t i = begin; i + 1 < end; i += 2) sum += be16(bytes, i);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint32_t>(sum);
}

}  // namespace

std::optional<Packet> Packet::parse(ConstBytes frame) {
  if (frame.size() < kVirtio + 20) return std::nullopt;
  Packet packet;
  packet.frame_.assign(frame.begin(), frame.end());
  const auto& f = packet.frame_;
  if (u8(f, kVirtio) >> 4 != 4) return std::nullopt;
  const unsigned type = u8(f, kGsoTypeAt) & ~unsigned{kGsoEcn};
  if (type == kGsoNone) return packet;

  if (type != kGsoTcp4) return std::nullopt;
  packet.ip_bytes_ = (u8(f, kVirtio) & 0xfu) * 4;
  if (frame.size() < kVirtio + packet.ip_bytes_ + 20) return std::nullopt;
  const unsigned protocol = u8(f, kVirtio + 9);
  const std::size_t tcp_bytes = static_cast<std::size_t>(u8(f, kVirtio + packet.ip_bytes_ + 12) >> 4) * 4;
  packet.header_bytes_ = packet.ip_bytes_ + tcp_bytes;
  // virtio fields are in the host's byte order.
  std::uint16_t size = 0;
  std::memcpy(&size, f.data() + kGsoSizeAt, sizeof size);
  packet.segment_payload_ = size;
  if (protocol != IPPROTO_TCP || tcp_bytes < 20 || size == 0 || frame.size() <= kVirtio + packet.header_bytes_)
    return std::nullopt;
  packet.segments_ = (frame.size() - kVirtio - packet.header_bytes_ + size - 1) / size;
  return packet;
}

std::size_t Packet::segment_bytes(std::size_t i) const {
  const std::size_t total = frame_.size() - kVirtio;
  if (segments_ == 1) return total;
  const std::size_t payload = total - header_bytes_;
  return header_bytes_ + std::min(segment_payload_, payload - i * segment_payload_);
}

std::uint32_t Packet::destination() const { return be32(frame_, kVirtio + 16); }

Packet Packet::slice(std::size_t first, std::size_t count) const {
  if (first == 0 && count == segments_) return *this;
  Packet cut;
  cut.ip_bytes_ = ip_bytes_;
  cut.header_bytes_ = header_bytes_;
  cut.segment_payload_ = segment_payload_;
  cut.segments_ = count;
  const std::size_t headers = kVirtio + header_bytes_;
  const std::size_t begin = headers + first * segment_payload_;
  const std::size_t end = std::min(frame_.size(), begin + count * segment_payload_);
  auto& f = cut.frame_;
  f.assign(frame_.begin(), frame_.begin() + static_cast<std::ptrdiff_t>(headers));
  f.insert(f.end(), frame_.begin() + static_cast<std::ptrdiff_t>(begin), frame_.begin() + static_cast<std::ptrdiff_t>(end));
  if (count == 1) f[kGsoTypeAt] = std::byte{kGsoNone};

  const std::size_t ip = kVirtio, tcp = kVirtio + ip_bytes_;
  const auto length = static_cast<std::uint32_t>(f.size() - kVirtio);
  const auto tcp_length = length - static_cast<std::uint32_t>(ip_bytes_);
  put16(f, ip + 2, length);
  put16(f, ip + 4, (be16(f, ip + 4) + static_cast<std::uint32_t>(first)) & 0xffff);  // identification, one a wire packet
  put16(f, ip + 10, 0);
  put16(f, ip + 10, ~sum16(f, ip, tcp, 0) & 0xffff);
  put32(f, tcp + 4, be32(f, tcp + 4) + static_cast<std::uint32_t>(first * segment_payload_));
  std::uint8_t flags = u8(f, tcp + 13);
  if (first > 0) flags &= static_cast<std::uint8_t>(~kCongestionWindowReduced);
  if (first + count < segments_) flags &= static_cast<std::uint8_t>(~(kFin | kPush));
  f[tcp + 13] = std::byte{flags};
  // With checksum offload the field holds the pseudo-header's sum, which covers the length. A super-packet always has it.
  put16(f, tcp + 16, sum16(f, ip + 12, ip + 20, IPPROTO_TCP + tcp_length));
  return cut;
}

}  // namespace longhaul::emulate
