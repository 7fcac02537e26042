// SPDX-License-Identifier: Apache-2.0
// What every Channel promises, checked between rank 0 (sends) and rank 1 (receives) of a fabric.
#pragma once

#include <cstring>

#include "support/site_fabric.h"

namespace longhaul::site::testing {

/// Message number i of a test and its payload: every byte depends on i.
inline Message numbered(std::uint64_t i) {
  return {static_cast<std::uint32_t>(i % 3 + 1), static_cast<std::uint32_t>(i * 7), i, ~i, i * i,
          static_cast<std::uint32_t>(i % 4)};
}

inline std::vector<std::byte> numbered_payload(std::uint64_t i, std::size_t size) {
  std::vector<std::byte> bytes(size);
  Random random(i + 1);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

inline bool is_numbered(const Received& received, std::uint64_t i, std::size_t size) {
  const std::vector<std::byte> expected = numbered_payload(i, size);
  return received.message == numbered(i) && received.payload.size() == size &&
         std::equal(expected.begin(), expected.end(), received.payload.begin());
}

/// Messages of all sizes arrive whole and in order, in every lane, far more than the lane holds.
inline void check_order(Fabric& fabric) {
  constexpr std::size_t kMax = 3000;
  constexpr std::uint64_t kCount = 500;
  const auto size_of_message = [](Lane lane, std::uint64_t i) {
    const std::size_t limit = lane == Lane::Control ? kMaxControlBytes : kMax;
    return i % 3 == 0 ? limit : static_cast<std::size_t>(i * 37) % limit;
  };
  Ranks ranks = fabric.join(2, kMax);
  std::array<std::uint64_t, kLaneCount> sent{};
  std::array<std::uint64_t, kLaneCount> received{};
  run_all(
      ranks,
      [&](Group& group) {
        bool done = true;
        for (int l = 0; l < kLaneCount; ++l) {
          const Lane lane = static_cast<Lane>(l);
          std::uint64_t& at =
              group.rank() == 0 ? sent[static_cast<std::size_t>(l)] : received[static_cast<std::size_t>(l)];
          if (at < kCount && group.rank() == 0) {
            if (group.channel(1).send(lane, numbered(at), numbered_payload(at, size_of_message(lane, at)))) ++at;
          } else if (at < kCount) {
            const auto head = group.channel(0).peek(lane);
            if (head) {
              REQUIRE(is_numbered(*head, at, size_of_message(lane, at)));
              group.channel(0).pop(lane);
              ++at;
            }
          }
          done = done && at == kCount;
        }
        return done;
      },
      1);
  fabric.leave(std::move(ranks));
}

/// A full lane refuses, loses nothing, and does not disturb the other lanes; peek() repeats until pop().
inline void check_independent_lanes(Fabric& fabric, Lane full, Lane other) {
  constexpr std::size_t kSize = 512;
  Ranks ranks = fabric.join(2, kSize);
  std::uint64_t accepted = 0;
  bool refused = false;
  bool told = false;
  std::uint64_t received = 0;
  std::uint64_t total = 0;
  run_all(
      ranks,
      [&](Group& group) {
        if (group.rank() == 0) {
          Channel& channel = group.channel(1);
          while (!refused) {
            REQUIRE(accepted < 10'000);  // a lane holds what it was made for, no more
            refused = !channel.send(full, numbered(accepted), numbered_payload(accepted, kSize));
            if (!refused) ++accepted;
          }
          if (!told) told = channel.send(other, {wire::kAnnounce, 0, accepted, 0, 0, 0}, {});
          return told;
        }
        Channel& channel = group.channel(0);
        if (total == 0) {  // nothing of the full lane is consumed before the other lane has spoken
          const auto word = channel.peek(other);
          if (!word) return false;
          total = word->message.operation;
          channel.pop(other);
          CHECK(total > 0);
        }
        const auto head = channel.peek(full);
        if (!head) return false;
        REQUIRE(is_numbered(*head, received, kSize));
        REQUIRE(is_numbered(*channel.peek(full), received, kSize));
        channel.pop(full);
        return ++received == total;
      },
      2);
  fabric.leave(std::move(ranks));
}

/// After the owner's flush nothing is lost, and a healthy channel says so.
inline void check_health(Fabric& fabric) {
  Ranks ranks = fabric.join(2, 64);
  bool sent = false;
  run_all(
      ranks,
      [&](Group& group) {
        Channel& channel = group.channel(1 - group.rank());
        CHECK(channel.health().ok());
        CHECK(channel.memory_bytes() > 0);
        if (group.rank() == 0) {
          sent = sent || channel.send(Lane::Control, {wire::kGoodbye, 0, 0, 0, 0, 0}, {});
          return sent && channel.flushed();
        }
        const auto head = channel.peek(Lane::Control);
        if (!head) return false;
        CHECK(head->message.kind == wire::kGoodbye);
        CHECK(head->payload.empty());
        channel.pop(Lane::Control);
        CHECK(!channel.peek(Lane::Control).has_value());
        return true;
      },
      3);
  fabric.leave(std::move(ranks));
}

}  // namespace longhaul::site::testing
