// SPDX-License-Identifier: Apache-2.0
// The rate in the middle of a burst: what its slow start and its late end do not change.
#include "link/delivery_meter.h"

#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::link;

namespace {

constexpr double kRate = 100e6;

/// 1000 frames of 10 kB, one every 0.1 ms; the first 50 four times slower, the last 100 held back for half a second.
void deliver(DeliveryMeter* meter, std::uint64_t before) {
  TimeNs now = 7 * kSecond;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    now += i <= 50 ? 400 * kMicrosecond : 100 * kMicrosecond;
    if (i == 901) now += kSecond / 2;
    meter->on_delivered(before + i * 10'000, now);
  }
}

}  // namespace

TEST_CASE("the middle of a burst tells its rate", "[unit][link]") {
  DeliveryMeter meter;
  deliver(&meter, 0);
  CHECK(meter.rate() == 0);  // never started
  meter.start(2 * kMillisecond);
  CHECK(meter.rate() == 0);
  deliver(&meter, 0);
  CHECK(meter.rate() == Approx(kRate).epsilon(0.01));
  // A second burst knows nothing of the first.
  meter.start(2 * kMillisecond);
  deliver(&meter, 10'000'000);
  CHECK(meter.rate() == Approx(kRate).epsilon(0.01));
}

TEST_CASE("too little says nothing, and too much is cut off", "[unit][link]") {
  DeliveryMeter meter;
  meter.start(kMillisecond);
  for (int i = 1; i <= 10; ++i) meter.on_delivered(static_cast<std::uint64_t>(i) * 1000, i * 10 * kMillisecond);
  CHECK(meter.rate() == 0);
  for (int i = 1; i <= 1'000'000; ++i) meter.on_delivered(10'000 + static_cast<std::uint64_t>(i) * 1000, kSecond + i * kMillisecond);
  CHECK(meter.rate() == Approx(1e6).epsilon(0.2));
  // Acknowledgements that bring nothing new, at one and the same time.
  meter.start(0);
  for (int i = 0; i < 100; ++i) meter.on_delivered(5000, kSecond);
  CHECK(meter.rate() == 0);
}
