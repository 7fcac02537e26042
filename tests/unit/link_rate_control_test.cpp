// SPDX-License-Identifier: Apache-2.0
// What the pace of a session does about a queue, about none, and about pauses.
#include "link/rate_control.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::link;

namespace {

constexpr TimeNs kRtt = 20 * kMillisecond;

/// Frames every millisecond for `duration`, each `latency` under way, all the time more waiting.
void deliver(RateControl* control, TimeNs* now, TimeNs duration, TimeNs latency) {
  control->on_busy(*now);
  for (const TimeNs end = *now + duration; *now < end; *now += kMillisecond) {
    control->on_held();
    control->on_delivery(latency, kRtt, *now);
  }
}

}  // namespace

TEST_CASE("Nothing is paced before the link was measured", "[rate_control]") {
  RateControl control;
  TimeNs now = 0;
  deliver(&control, &now, kSecond, kRtt);
  CHECK(!control.active());
  CHECK(control.rate() == 0);
}

TEST_CASE("A standing queue slows down, to half at most", "[rate_control]") {
  RateControl control;
  control.start(100e6);
  TimeNs now = 0;
  deliver(&control, &now, 300 * kMillisecond, kRtt);
  const double before = control.rate();
  deliver(&control, &now, 500 * kMillisecond, kRtt + 30 * kMillisecond);
  CHECK(control.rate() < 0.95 * before);
  deliver(&control, &now, 20 * kSecond, kRtt + 30 * kMillisecond);
  CHECK(control.rate() >= 50e6);
}

TEST_CASE("Without a queue it comes back soon, and goes beyond what was measured only slowly", "[rate_control]") {
  RateControl control;
  control.start(100e6);
  TimeNs now = 0;
  deliver(&control, &now, kSecond / 2, kRtt);
  deliver(&control, &now, kSecond, kRtt + 30 * kMillisecond);
  const double low = control.rate();
  REQUIRE(low < 85e6);
  deliver(&control, &now, 2 * kSecond, kRtt);
  CHECK(control.rate() >= 99e6);
  deliver(&control, &now, kSecond, kRtt);
  CHECK(control.rate() > 100e6);
  CHECK(control.rate() < 112e6);
}

TEST_CASE("Without anything held back the rate is not what decides, so it stays", "[rate_control]") {
  RateControl control;
  control.start(100e6);
  control.on_busy(0);
  for (TimeNs now = 0; now < 5 * kSecond; now += kMillisecond) control.on_delivery(kRtt, kRtt, now);
  CHECK(control.rate() == 100e6);
}

TEST_CASE("The first frames after a pause say nothing: the queue was empty whatever the rate", "[rate_control]") {
  RateControl control;
  control.start(100e6);
  TimeNs now = 0;
  deliver(&control, &now, 300 * kMillisecond, kRtt);
  const double before = control.rate();
  for (int call = 0; call < 20; ++call) {
    control.on_idle();
    deliver(&control, &now, 2 * kRtt - kMillisecond, kRtt);
  }
  CHECK(control.rate() == before);
}

TEST_CASE("A path that became longer is believed after a while", "[rate_control]") {
  RateControl control;
  control.start(100e6);
  TimeNs now = 0;
  deliver(&control, &now, kSecond, kRtt);
  deliver(&control, &now, 60 * kSecond, 3 * kRtt);
  CHECK(control.rate() >= 99e6);
}
