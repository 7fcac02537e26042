// SPDX-License-Identifier: Apache-2.0
// What the pace of a session does about a queue, about none, and about pauses.
#include "link/rate_control.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::link;

namespace {

constexpr TimeNs kRtt = 20 * kMillisecond;

/// A session on a link that was measured to carry 100 MB/s.
struct Paced {
  RateControl control;
  TimeNs now = 0;

  Paced() { control.start(100e6); }
  /// A look every millisecond for `duration`, at a queue of that length, all the time more to send than the rate allows.
  void look(TimeNs duration, TimeNs queue) {
    control.on_busy(now);
    for (const TimeNs end = now + duration; now < end; now += kMillisecond) {
      control.on_held();
      control.on_queue(queue, kRtt, now);
    }
  }
};

}  // namespace

TEST_CASE("Nothing is paced before the link was measured", "[rate_control]") {
  RateControl control;
  control.on_busy(0);
  for (TimeNs now = 0; now < kSecond; now += kMillisecond) control.on_queue(0, kRtt, now);
  CHECK(!control.active());
  CHECK(control.rate() == 0);
}

TEST_CASE("A standing queue slows down, to half at most", "[rate_control]") {
  Paced paced;
  paced.look(300 * kMillisecond, 0);
  const double before = paced.control.rate();
  paced.look(500 * kMillisecond, 30 * kMillisecond);
  CHECK(paced.control.rate() < 0.95 * before);
  paced.look(20 * kSecond, 30 * kMillisecond);
  CHECK(paced.control.rate() >= 50e6);
}

TEST_CASE("Without a queue it comes back soon, and goes beyond what was measured only slowly", "[rate_control]") {
  Paced paced;
  paced.look(kSecond / 2, 0);
  paced.look(kSecond, 30 * kMillisecond);
  const double low = paced.control.rate();
  REQUIRE(low < 90e6);
  paced.look(2 * kSecond, 0);
  CHECK(paced.control.rate() >= 99e6);
  paced.look(kSecond, 0);
  CHECK(paced.control.rate() > 100e6);
  CHECK(paced.control.rate() < 135e6);  // at 3 % a round it would be above 150e6
}

TEST_CASE("A link that was measured far too low is found out in seconds", "[rate_control]") {
  Paced paced;
  paced.look(4 * kSecond, 0);
  CHECK(paced.control.rate() > 150e6);
}

TEST_CASE("Without anything held back the rate is not what decides, so it stays", "[rate_control]") {
  Paced paced;
  paced.control.on_busy(0);
  for (TimeNs now = 0; now < 5 * kSecond; now += kMillisecond) paced.control.on_queue(0, kRtt, now);
  CHECK(paced.control.rate() == 100e6);
}

TEST_CASE("The first frames after a pause say nothing: the queue was empty whatever the rate", "[rate_control]") {
  Paced paced;
  paced.look(300 * kMillisecond, 0);
  const double before = paced.control.rate();
  for (int call = 0; call < 20; ++call) {
    paced.control.on_idle();
    paced.look(2 * kRtt - kMillisecond, 0);
  }
  CHECK(paced.control.rate() == before);
}

TEST_CASE("No faster than others of the site can go, however free the path is", "[rate_control]") {
  Paced paced;
  paced.control.at_most(60e6);
  CHECK(paced.control.rate() == 60e6);
  paced.look(20 * kSecond, 0);
  CHECK(paced.control.rate() == 60e6);
  paced.control.at_most(80e6);
  paced.look(20 * kSecond, 0);
  CHECK(paced.control.rate() == 80e6);
}

TEST_CASE("Short calls add up to a round", "[rate_control]") {
  Paced paced;
  for (int call = 0; call < 40; ++call) {
    paced.control.on_idle();
    paced.look(2 * kRtt + 11 * kMillisecond, 0);  // 10 ms of it count
  }
  CHECK(paced.control.rate() > 105e6);
}

TEST_CASE("A path is empty when it was looked at for a round and never had a queue", "[rate_control]") {
  Paced paced;
  CHECK_FALSE(paced.control.empty_path());
  paced.look(300 * kMillisecond, 0);
  CHECK(paced.control.empty_path());
  paced.look(300 * kMillisecond, 30 * kMillisecond);
  CHECK_FALSE(paced.control.empty_path());
  paced.look(kSecond, 0);
  CHECK_FALSE(paced.control.empty_path());
  paced.control.start(100e6);
  CHECK_FALSE(paced.control.empty_path());
}
