// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <vector>

#include "link/receive_window.h"
#include "link/send_window.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::link;

namespace {

constexpr std::uint64_t kPlenty = 1 << 30;

void push(SendWindow* window, int frames) {
  for (int i = 0; i < frames; ++i) window->push({}, std::vector<std::byte>(10, std::byte{1}), {}, {});
}

std::vector<std::uint64_t> send_all(SendWindow* window, int stream, std::uint64_t* order, std::uint64_t credit = kPlenty) {
  std::vector<std::uint64_t> sent;
  while (Record* record = window->next(credit)) {
    sent.push_back(record->sequence);
    window->transmitted(record, stream, ++*order, 0);
  }
  return sent;
}

using Sequences = std::vector<std::uint64_t>;
constexpr std::array<std::byte, 0> kNone{};

}  // namespace

TEST_CASE("frames go out once, in order, and are freed by acknowledgement", "[unit][link]") {
  SendWindow window(4);
  std::uint64_t order = 0;
  push(&window, 4);
  CHECK(window.full());
  CHECK(send_all(&window, 0, &order) == Sequences{1, 2, 3, 4});
  CHECK(window.next(kPlenty) == nullptr);
  window.acknowledge(2, kNone, 0);
  CHECK_FALSE(window.full());
  CHECK(window.oldest() == 3);
  window.acknowledge(4, kNone, 0);
  CHECK(window.empty());
}

TEST_CASE("credit holds new frames back, not resent ones", "[unit][link]") {
  SendWindow window(8);
  std::uint64_t order = 0;
  push(&window, 3);
  const std::uint64_t cost = kFrameOverhead + 10;
  CHECK(send_all(&window, 0, &order, 2 * cost) == Sequences{1, 2});
  CHECK(send_all(&window, 0, &order, 3 * cost - 1).empty());
  window.stream_lost(0);
  CHECK(send_all(&window, 0, &order, 2 * cost) == Sequences{1, 2});
  CHECK(send_all(&window, 0, &order, 3 * cost) == Sequences{3});
  CHECK(window.resent_bytes() == 20);
}

TEST_CASE("what was overtaken on its own stream is lost", "[unit][link]") {
  SendWindow window(16);
  std::uint64_t order = 0;
  push(&window, 6);
  send_all(&window, 0, &order);
  const std::array<std::byte, 1> bitmap{std::byte{0b11110}};  // 2..5 of cumulative 0 -> 2, 3, 4, 5
  window.acknowledge(0, bitmap, 0);
  CHECK(send_all(&window, 0, &order) == Sequences{1});
  SECTION("frames of another stream say nothing about it") {
    std::uint64_t other = 0;
    push(&window, 6);
    CHECK(send_all(&window, 1, &other) == Sequences{7, 8, 9, 10, 11, 12});
    const std::array<std::byte, 2> later{std::byte{0b11011110}, std::byte{0b1111}};
    window.acknowledge(0, later, 0);
    CHECK(send_all(&window, 0, &order).empty());
  }
}

TEST_CASE("time-outs double and only run for frames that have left", "[unit][link]") {
  SendWindow window(4);
  std::uint64_t order = 0;
  push(&window, 1);
  send_all(&window, 0, &order);
  window.expire(100, 10, kNever);
  CHECK(window.next(kPlenty) == nullptr);
  window.left(1, 0);
  window.expire(9, 10, kNever);
  CHECK(window.next(kPlenty) == nullptr);
  window.expire(10, 10, kNever);
  CHECK(send_all(&window, 0, &order) == Sequences{1});
  window.left(1, 10);
  window.expire(29, 10, kNever);
  CHECK(window.next(kPlenty) == nullptr);
  window.expire(30, 10, kNever);
  CHECK(window.next(kPlenty) != nullptr);
}

TEST_CASE("acknowledgements of what was never sent are ignored", "[unit][link]") {
  SendWindow window(4);
  std::uint64_t order = 0;
  push(&window, 2);
  window.acknowledge(1, kNone, 0);
  CHECK(send_all(&window, 0, &order) == Sequences{1, 2});
  window.acknowledge(99, kNone, 0);
  CHECK(window.oldest() == 1);
  const std::vector<std::byte> all(64, std::byte{0xff});
  window.acknowledge(0, all, 0);
  CHECK(window.empty());
}

TEST_CASE("a late acknowledgement cancels the resend", "[unit][link]") {
  SendWindow window(4);
  std::uint64_t order = 0;
  push(&window, 2);
  send_all(&window, 0, &order);
  window.stream_lost(0);
  window.acknowledge(1, kNone, 0);
  CHECK(send_all(&window, 0, &order) == Sequences{2});
}

TEST_CASE("the receive window drops duplicates and what is too far ahead", "[unit][link]") {
  ReceiveWindow window(8, 1000);
  using V = ReceiveWindow::Verdict;
  CHECK(window.accept(2) == V::New);
  CHECK(window.accept(2) == V::Duplicate);
  CHECK(window.has_gaps());
  CHECK(window.accept(9) == V::OutOfWindow);
  CHECK(window.accept(1) == V::New);
  CHECK(window.cumulative() == 2);
  CHECK_FALSE(window.has_gaps());
  CHECK(window.accept(1) == V::Duplicate);
  CHECK(window.accept(0) == V::Duplicate);
  CHECK(window.accept(10) == V::New);
  std::array<std::byte, 4> bitmap{};
  CHECK(window.write_bitmap(bitmap) == 1);
  CHECK(bitmap[0] == std::byte{0x80});
  CHECK(window.accept(11) == V::OutOfWindow);
  for (std::uint64_t s = 3; s <= 9; ++s) CHECK(window.accept(s) == V::New);
  CHECK(window.cumulative() == 10);
  window.consumed(300);
  CHECK(window.credit() == 1300);
}

TEST_CASE("the receive window grows with what a round trip uses, as far as it may", "[unit][link]") {
  ReceiveWindow window(8, 1000);
  window.consumed(500);
  window.end_round(3000);
  CHECK(window.bytes() == 1000);  // half: enough
  window.consumed(501);
  window.end_round(3000);
  CHECK(window.bytes() == 2000);
  CHECK(window.credit() == 3001);
  window.consumed(1900);
  window.end_round(3000);
  CHECK(window.bytes() == 3000);
  window.consumed(3000);
  window.end_round(3000);
  CHECK(window.bytes() == 3000);
}
