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
  /// Frames every millisecond for `duration`, each `latency` under way, all the time more waiting.
  void deliver(TimeNs duration, TimeNs latency) {
    control.on_busy(now);
    for (const TimeNs end = now + duration; now < end; now += kMillisecond) {
      control.on_held();
      control.on_delivery(latency, kRtt, now);
    }
  }
};

}  // namespace

TEST_CASE("Nothing is paced before the link was measured", "[rate_control]") {
  RateControl control;
  control.on_busy(0);
  for (TimeNs now = 0; now < kSecond; now += kMillisecond) control.on_delivery(kRtt, kRtt, now);
  CHECK(!control.active());
  CHECK(control.rate() == 0);
}

TEST_CASE("A standing queue slows down, to half at most", "[rate_control]") {
  Paced paced;
  paced.deliver(300 * kMillisecond, kRtt);
  const double before = paced.control.rate();
  paced.deliver(500 * kMillisecond, kRtt + 30 * kMillisecond);
  CHECK(paced.control.rate() < 0.95 * before);
  paced.deliver(20 * kSecond, kRtt + 30 * kMillisecond);
  CHECK(paced.control.rate() >= 50e6);
}

TEST_CASE("Without a queue it comes back soon, and goes beyond what was measured only slowly", "[rate_control]") {
  Paced paced;
  paced.deliver(kSecond / 2, kRtt);
  paced.deliver(kSecond, kRtt + 30 * kMillisecond);
  const double low = paced.control.rate();
  REQUIRE(low < 85e6);
  paced.deliver(2 * kSecond, kRtt);
  CHECK(paced.control.rate() >= 99e6);
  paced.deliver(kSecond, kRtt);
  CHECK(paced.control.rate() > 100e6);
  CHECK(paced.control.rate() < 112e6);
}

TEST_CASE("Without anything held back the rate is not what decides, so it stays", "[rate_control]") {
  Paced paced;
  paced.control.on_busy(0);
  for (TimeNs now = 0; now < 5 * kSecond; now += kMillisecond) paced.control.on_delivery(kRtt, kRtt, now);
  CHECK(paced.control.rate() == 100e6);
}

TEST_CASE("The first frames after a pause say nothing: the queue was empty whatever the rate", "[rate_control]") {
  Paced paced;
  paced.deliver(300 * kMillisecond, kRtt);
  const double before = paced.control.rate();
  for (int call = 0; call < 20; ++call) {
    paced.control.on_idle();
    paced.deliver(2 * kRtt - kMillisecond, kRtt);
  }
  CHECK(paced.control.rate() == before);
}

TEST_CASE("A path that became longer is believed after a while", "[rate_control]") {
  Paced paced;
  paced.deliver(kSecond, kRtt);
  paced.deliver(60 * kSecond, 3 * kRtt);
  CHECK(paced.control.rate() >= 99e6);
}
