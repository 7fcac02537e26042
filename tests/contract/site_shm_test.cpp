// SPDX-License-Identifier: Apache-2.0
// What is particular to shared memory: sleeping and waking, a peer's death, and a peer that writes nonsense into the
// ring.
#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <thread>

#include "support/site_channel_suite.h"

namespace longhaul::site::testing {
namespace {

struct Pair {
  std::unique_ptr<Channel> a;
  std::unique_ptr<Channel> b;
};

Pair make_pair_of(std::size_t data_slots = 4) {
  auto made = make_local_pair(ShmShape{256, data_slots, 8});
  REQUIRE(made.ok());
  return {std::move(made->first), std::move(made->second)};
}

bool rings(const Channel& channel) {
  std::vector<pollfd> fds;
  channel.append_wait_fds(fds);
  return ::poll(fds.data(), fds.size(), 0) > 0;
}

TEST_CASE("an armed channel is rung once, an awake one never", "[contract][site]") {
  Pair pair = make_pair_of();
  REQUIRE(pair.a->send(Lane::Control, numbered(1), {}));
  CHECK(!rings(*pair.b));
  CHECK(!pair.b->arm());  // a message is there
  CHECK(pair.b->progress(0));
  CHECK(!pair.b->progress(0));
  // It was there at the last progress(): the owner has seen it and waits for something else.
  CHECK(pair.b->arm());
  CHECK(!rings(*pair.b));
  REQUIRE(pair.a->send(Lane::Collect, numbered(2), {}));
  REQUIRE(pair.a->send(Lane::Collect, numbered(3), {}));
  CHECK(rings(*pair.b));
  CHECK(pair.b->progress(0));
  CHECK(!rings(*pair.b));
  CHECK(pair.b->arm());
  CHECK(pair.b->peek(Lane::Control).has_value());
}

TEST_CASE("room for a refused message wakes the sender", "[contract][site]") {
  Pair pair = make_pair_of(1);
  REQUIRE(pair.a->send(Lane::Collect, numbered(1), {}));
  CHECK(pair.a->arm());
  REQUIRE(pair.b->peek(Lane::Collect).has_value());
  pair.b->pop(Lane::Collect);
  CHECK(!rings(*pair.a));  // nothing was refused, so room is no news

  REQUIRE(pair.a->send(Lane::Collect, numbered(2), {}));
  REQUIRE(!pair.a->send(Lane::Collect, numbered(3), {}));
  SECTION("consumed while the sender sleeps") {
    CHECK(pair.a->arm());
    REQUIRE(pair.b->peek(Lane::Collect).has_value());
    pair.b->pop(Lane::Collect);
    CHECK(rings(*pair.a));
  }
  SECTION("consumed before the sender sleeps, who gave up on sending: told once") {
    REQUIRE(pair.b->peek(Lane::Collect).has_value());
    pair.b->pop(Lane::Collect);
    CHECK(!pair.a->arm());
    CHECK(pair.a->arm());
  }
}

/// Sends and receives kStress numbered messages, sleeping whenever there is nothing to do. Returns what went wrong, or
/// "".
std::string stress(Channel& channel, std::uint64_t seed) {
  constexpr std::uint64_t kStress = 20'000;
  Random random(seed);
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  while (sent < kStress || received < kStress) {
    bool busy = channel.progress(steady_now());
    for (std::uint64_t burst = 1 + random.below(8); burst > 0 && sent < kStress; --burst) {
      if (!channel.send(Lane::Collect, numbered(sent), numbered_payload(sent, sent % 32))) break;
      ++sent;
      busy = true;
    }
    while (const auto head = channel.peek(Lane::Collect)) {
      if (!is_numbered(*head, received, received % 32)) return fmt::format("message {} is damaged", received);
      channel.pop(Lane::Collect);
      ++received;
      busy = true;
    }
    if (busy || !channel.arm()) continue;
    std::vector<pollfd> fds;
    channel.append_wait_fds(fds);
    // A lost wake-up would sleep for ever.
    if ((sent < kStress || received < kStress) && ::poll(fds.data(), fds.size(), 60'000) == 0) {
      return fmt::format("a wake-up was lost after {} sent and {} received", sent, received);
    }
  }
  return "";
}

TEST_CASE("no wake-up is lost between two threads", "[contract][site]") {
  const auto slots = GENERATE(std::size_t{1}, std::size_t{4});
  Pair pair = make_pair_of(slots);
  std::string other;
  std::thread thread([&] { other = stress(*pair.b, 11); });
  const std::string mine = stress(*pair.a, 12);
  thread.join();
  CHECK(mine == "");
  CHECK(other == "");
}

TEST_CASE("a peer that is gone is noticed and what it said stays readable", "[contract][site]") {
  Pair pair = make_pair_of();
  CHECK(pair.b->arm());
  REQUIRE(pair.a->send(Lane::Control, numbered(1), numbered_payload(1, 9)));
  pair.a.reset();
  CHECK(pair.b->progress(1));
  CHECK(pair.b->health().ok());  // the doorbell's byte came first
  CHECK(pair.b->progress(kSecond));
  CHECK(pair.b->health().code() == lhRemoteError);
  CHECK(pair.b->health().text().find("ended") != std::string::npos);
  const auto head = pair.b->peek(Lane::Control);
  REQUIRE(head.has_value());
  CHECK(is_numbered(*head, 1, 9));
  pair.b->pop(Lane::Control);
  CHECK(!pair.b->peek(Lane::Control).has_value());
  (void)pair.b->send(Lane::Control, numbered(2), {});  // must not raise SIGPIPE
  std::vector<pollfd> fds;
  pair.b->append_wait_fds(fds);
  CHECK(fds.empty());  // or the owner would never sleep again
  CHECK(pair.b->progress(2 * kSecond) == false);
}

/// A channel whose other end is the test itself, scribbling in the memory.
struct Victim {
  static constexpr ShmShape kShape{256, 4, 8};
  ShmLayout layout = shm_layout(kShape);
  std::shared_ptr<SharedMemory> memory;
  Fd far_end;
  std::unique_ptr<ShmChannel> channel;

  Victim() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    far_end = Fd(ends[1]);
    auto file = create_shared_file(layout.bytes);
    REQUIRE(file.ok());
    auto mapped = map_shared_file(file->get(), layout.bytes);
    REQUIRE(mapped.ok());
    memory = *mapped;
    channel = std::make_unique<ShmChannel>(memory, kShape, 1, Fd(ends[0]), Fd());
  }
  std::byte* ring(std::size_t side, Lane lane) const {
    return memory->bytes().data() + layout.rings[side][static_cast<std::size_t>(lane)];
  }
  RingCounters& counters(std::size_t side, Lane lane) const {
    return *reinterpret_cast<RingCounters*>(ring(side, lane));
  }
  SlotHeader& first_slot(Lane lane) const {
    return *reinterpret_cast<SlotHeader*>(ring(0, lane) + sizeof(RingCounters));
  }
};

void check_damaged(Victim& victim, Lane lane) {
  CHECK(!victim.channel->peek(lane).has_value());
  CHECK(victim.channel->health().code() == lhRemoteError);
  CHECK(victim.channel->health().text().find("damaged") != std::string::npos);
  CHECK(!victim.channel->peek(lane).has_value());
  CHECK(!victim.channel->send(Lane::Control, numbered(1), {}));
  (void)victim.channel->arm();
  (void)victim.channel->progress(0);
}

TEST_CASE("impossible numbers in the shared memory close the channel", "[contract][site]") {
  Victim victim;
  const Lane lane = GENERATE(Lane::Control, Lane::Collect, Lane::Distribute);
  const std::size_t limit = lane == Lane::Control ? kMaxControlBytes : Victim::kShape.max_payload;
  SECTION("the largest legal size is fine") {
    victim.first_slot(lane).payload_bytes = limit;
    victim.counters(0, lane).head = 1;
    const auto head = victim.channel->peek(lane);
    REQUIRE(head.has_value());
    CHECK(head->payload.size() == limit);
    SECTION("and stays what it was when the peer changes it afterwards") {
      victim.first_slot(lane).payload_bytes = ~std::uint64_t{0};
      const auto again = victim.channel->peek(lane);
      REQUIRE(again.has_value());
      CHECK(again->payload.size() == limit);
    }
  }
  SECTION("payload size") {
    const auto size = GENERATE_COPY(limit + 1, std::size_t{1} << 40, ~std::size_t{0});
    victim.first_slot(lane).payload_bytes = size;
    victim.counters(0, lane).head = 1;
    check_damaged(victim, lane);
  }
  SECTION("message count") {
    victim.counters(0, lane).head = GENERATE(std::uint64_t{9}, ~std::uint64_t{0});
    check_damaged(victim, lane);
  }
  SECTION("consumed count") {
    victim.counters(1, lane).tail = 1;
    std::uint64_t sent = 0;
    while (victim.channel->send(lane, numbered(sent), {})) REQUIRE(++sent <= 64);
    CHECK(sent >= 4);
    // A tail that is one ahead only frees a slot too early: harm to the peer's own data. One that is beyond the head is
    // a lie.
    victim.counters(1, lane).tail = sent + 1;
    CHECK(!victim.channel->send(lane, numbered(sent), {}));
    CHECK(victim.channel->health().code() == lhRemoteError);
    check_damaged(victim, lane);
  }
}

TEST_CASE("random shared memory never crashes a channel", "[contract][site]") {
  Random random(5);
  for (int round = 0; round < 200; ++round) {
    Victim victim;
    for (int step = 0; step < 50; ++step) {
      const auto lane = static_cast<Lane>(random.below(kLaneCount));
      const std::uint64_t wild = random.chance(0.5) ? random.below(12) : random.next();
      switch (random.below(6)) {
        case 0:
          victim.counters(0, lane).head = wild;
          break;
        case 1:
          victim.counters(1, lane).tail = wild;
          break;
        case 2:
          victim.first_slot(lane).payload_bytes = wild;
          break;
        case 3:
          (void)victim.channel->send(lane, numbered(1), numbered_payload(1, 200));
          break;
        case 4:
          (void)victim.channel->arm();
          break;
        default:
          if (const auto head = victim.channel->peek(lane)) {
            CHECK(head->payload.size() <= kMaxControlBytes);
            CHECK(head->payload.data() + head->payload.size() <= victim.memory->bytes().data() + victim.layout.bytes);
            victim.channel->pop(lane);
          }
      }
      (void)victim.channel->progress(step * kMillisecond);
    }
  }
}

TEST_CASE("shared files of another size or without seals are refused", "[contract][site]") {
  auto file = create_shared_file(8192);
  REQUIRE(file.ok());
  CHECK(map_shared_file(file->get(), 8192).ok());
  CHECK(!map_shared_file(file->get(), 4096).ok());
  CHECK(!map_shared_file(file->get(), 16384).ok());
  CHECK(::ftruncate(file->get(), 4096) != 0);
  CHECK(!map_shared_file(-1, 8192).ok());
  const Fd pipe_like(::open("/dev/null", O_RDWR | O_CLOEXEC));
  CHECK(!map_shared_file(pipe_like.get(), 0).ok());
}

}  // namespace
}  // namespace longhaul::site::testing
