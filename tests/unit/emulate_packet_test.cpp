// SPDX-License-Identifier: Apache-2.0
#include "support/catch.h"

#include <array>
#include <numeric>

#include "emulate/packet.h"

using longhaul::ConstBytes;
using longhaul::emulate::Packet;

namespace {

constexpr std::size_t kVirtio = 10, kIp = 20, kTcp = 32;

void put16(std::vector<std::byte>* f, std::size_t at, unsigned v) {
  (*f)[at] = static_cast<std::byte>(v >> 8);
  (*f)[at + 1] = static_cast<std::byte>(v);
}
unsigned get16(ConstBytes f, std::size_t at) {
  return std::to_integer<unsigned>(f[at]) << 8 | std::to_integer<unsigned>(f[at + 1]);
}

/// A TCP super-packet as a TUN device gives it: payload bytes count up, partial checksum, PSH and FIN set.
std::vector<std::byte> super_packet(std::size_t payload, std::uint16_t segment) {
  std::vector<std::byte> f(kVirtio + kIp + kTcp + payload);
  f[0] = std::byte{1};  // needs checksum
  f[1] = std::byte{static_cast<unsigned char>(segment ? 1 : 0)};
  f[4] = static_cast<std::byte>(segment);
  f[5] = static_cast<std::byte>(segment >> 8);
  f[kVirtio] = std::byte{0x45};
  put16(&f, kVirtio + 2, static_cast<unsigned>(kIp + kTcp + payload));
  put16(&f, kVirtio + 4, 0xfffe);  // identification: wraps around within the packet
  f[kVirtio + 8] = std::byte{64};
  f[kVirtio + 9] = std::byte{6};
  for (std::size_t i = 0; i < 8; ++i) f[kVirtio + 12 + i] = static_cast<std::byte>(10 + i);
  put16(&f, kVirtio + kIp + 4, 0xffff);  // sequence number 0xffffff00: wraps around
  put16(&f, kVirtio + kIp + 6, 0xff00);
  f[kVirtio + kIp + 12] = std::byte{kTcp / 4 << 4};
  f[kVirtio + kIp + 13] = std::byte{0x80 | 0x10 | 0x08 | 0x01};  // CWR ACK PSH FIN
  for (std::size_t i = 0; i < payload; ++i) f[kVirtio + kIp + kTcp + i] = static_cast<std::byte>(i * 7);
  return f;
}

/// Ones' complement sum over the header: 0xffff where its checksum is right (RFC 791).
unsigned ip_sum(ConstBytes f) {
  unsigned sum = 0;
  for (std::size_t i = 0; i < kIp; i += 2) sum += get16(f, kVirtio + i);
  return (sum & 0xffff) + (sum >> 16);
}

unsigned pseudo_sum(ConstBytes f, std::size_t tcp_length) {
  unsigned sum = 6 + static_cast<unsigned>(tcp_length);
  for (std::size_t i = 12; i < 20; i += 2) sum += get16(f, kVirtio + i);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return sum;
}

}  // namespace

TEST_CASE("a super-packet counts as its wire packets", "[unit][emulate]") {
  const auto packet = Packet::parse(super_packet(2 * 1000 + 1, 1000));
  REQUIRE(packet);
  CHECK(packet->segments() == 3);
  CHECK(packet->segment_bytes(0) == kIp + kTcp + 1000);
  CHECK(packet->segment_bytes(2) == kIp + kTcp + 1);
  CHECK(packet->destination() == 0x0e0f1011);
}

TEST_CASE("slices of a super-packet are what the wire would have carried", "[unit][emulate]") {
  const auto whole = super_packet(3 * 1000 + 500, 1000);
  const auto packet = Packet::parse(whole);
  REQUIRE(packet);
  std::vector<std::byte> payload;
  const std::array<std::pair<std::size_t, std::size_t>, 3> slices{{{0, 1}, {1, 2}, {3, 1}}};
  for (const auto& [first, count] : slices) {
    const Packet slice = packet->slice(first, count);
    const ConstBytes f = slice.frame();
    CHECK(slice.segments() == count);
    CHECK(std::to_integer<int>(f[1]) == (count > 1 ? 1 : 0));
    const std::size_t tcp_length = f.size() - kVirtio - kIp;
    CHECK(get16(f, kVirtio + 2) == kIp + tcp_length);
    CHECK(get16(f, kVirtio + 4) == ((0xfffe + first) & 0xffff));
    CHECK(ip_sum(f) == 0xffff);
    CHECK(get16(f, kVirtio + kIp + 16) == pseudo_sum(f, tcp_length));
    const unsigned sequence = get16(f, kVirtio + kIp + 4) << 16 | get16(f, kVirtio + kIp + 6);
    CHECK(sequence == 0xffffff00u + static_cast<unsigned>(first * 1000));
    const auto flags = std::to_integer<unsigned>(f[kVirtio + kIp + 13]);
    CHECK((flags & 0x80) == (first == 0 ? 0x80u : 0u));               // CWR only on the first
    CHECK((flags & 0x09) == (first + count == 4 ? 0x09u : 0u));       // FIN, PSH only on the last
    payload.insert(payload.end(), f.begin() + kVirtio + kIp + kTcp, f.end());
  }
  CHECK(std::equal(payload.begin(), payload.end(), whole.begin() + kVirtio + kIp + kTcp, whole.end()));
}

TEST_CASE("what is no IPv4 packet is no packet", "[unit][emulate]") {
  CHECK_FALSE(Packet::parse({}));
  CHECK_FALSE(Packet::parse(std::vector<std::byte>(29)));
  auto six = super_packet(100, 0);
  six[kVirtio] = std::byte{0x60};
  CHECK_FALSE(Packet::parse(six));
  auto cut = super_packet(100, 50);
  cut.resize(kVirtio + kIp + 10);
  CHECK_FALSE(Packet::parse(cut));
  auto headers_only = super_packet(100, 50);
  headers_only.resize(kVirtio + kIp + kTcp);
  CHECK_FALSE(Packet::parse(headers_only));
  auto udp = super_packet(100, 50);
  udp[kVirtio + 9] = std::byte{17};
  CHECK_FALSE(Packet::parse(udp));
  CHECK(Packet::parse(super_packet(100, 0))->segments() == 1);
}
