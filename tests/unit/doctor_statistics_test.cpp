// SPDX-License-Identifier: Apache-2.0
// What `longhaul doctor` makes of timestamps, counters and ports.
#include "doctor/ports.h"
#include "doctor/statistics.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::doctor;

namespace {

/// 400 messages, 5 ms apart, 40 ms on the way; the receiver's clock is off by a lot and drifts.
std::vector<OneWay> messages(double drift) {
  std::vector<OneWay> out;
  for (int i = 0; i < 400; ++i) {
    const TimeNs sent = i * 5 * kMillisecond;
    out.push_back({sent, sent + 40 * kMillisecond - 77 * kSecond + static_cast<TimeNs>(drift * static_cast<double>(sent))});
  }
  return out;
}

}  // namespace

TEST_CASE("Equal delays have no spread, whatever the clocks say", "[doctor]") {
  const double drift = GENERATE(0.0, 50e-6, -100e-6);
  const Spread spread = spread_of(messages(drift));
  CHECK(spread.most <= 2);  // rounding
  CHECK(spread.drift_ppm == Approx(drift * 1e6).margin(0.01));
}

TEST_CASE("The spread is that of the delays above the least", "[doctor]") {
  auto all = messages(80e-6);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i % 10 == 5) all[i].received += 3 * kMillisecond;
    if (i == 200) all[i].received += 20 * kMillisecond;
  }
  const Spread spread = spread_of(all);
  CHECK(spread.median <= 2);
  CHECK(spread.p95 == Approx(3e6).margin(10));
  CHECK(spread.most == Approx(20e6).margin(10));
}

TEST_CASE("A queue that fills is no drift, and a short run shows none", "[doctor]") {
  CHECK(spread_of(messages(1e-3)).most > kMillisecond);
  auto few = messages(100e-6);
  few.resize(100);
  CHECK(spread_of(few).drift_ppm == 0);
  CHECK(spread_of({}).most == 0);
}

TEST_CASE("Losses are told with what could not be seen", "[doctor]") {
  CHECK(loss_text({24600, 0}) == "none of 24,600 segments: below 0.012 %");
  CHECK(loss_text({1234567, 1235}) == "0.1 % (1,235 of 1,234,567 segments)");
  CHECK(loss_text({}) == "not known");
  CHECK(loss_bound({3000, 0}) == Approx(1e-3));
}

TEST_CASE("What loss-based congestion control carries", "[doctor]") {
  // 1448 bytes x 1.22 / sqrt(0.001) over 80 ms.
  CHECK(loss_based_rate("reno", 80 * kMillisecond, 1e-3) == Approx(5.586e6).epsilon(0.001));
  CHECK(loss_based_rate("cubic", 80 * kMillisecond, 1e-3) == loss_based_rate("reno", 80 * kMillisecond, 1e-3));
  CHECK(loss_based_rate("cubic", 200 * kMillisecond, 1e-5) > 3 * loss_based_rate("reno", 200 * kMillisecond, 1e-5));
}

TEST_CASE("What a slow start costs", "[doctor]") {
  CHECK(slow_start_cost(14000, 80 * kMillisecond, 1e9) == 0);  // fits into ten packets
  CHECK(slow_start_cost(14500, 80 * kMillisecond, 1e12) == Approx(80e6).epsilon(0.001));
  // 1 MiB is 10 + 20 + ... + 320 packets and the rest: six rounds.
  CHECK(slow_start_cost(1 << 20, 80 * kMillisecond, 1e12) == Approx(480e6).epsilon(0.001));
  CHECK(slow_start_cost(1 << 20, kMillisecond, 10e6) == 0);  // ten packets keep that link busy
  CHECK(slow_start_cost(1 << 20, kMillisecond, 0) == 0);
}

TEST_CASE("Texts of rates, times and sizes", "[doctor]") {
  CHECK(rate_text(9.4e9) == "9.40 Gbit/s");
  CHECK(rate_text(953e6) == "953 Mbit/s");
  CHECK(rate_text(5.59e6) == "5.6 Mbit/s");
  CHECK(rate_text(2e4) == "20 kbit/s");
  CHECK(ms_text(80'240'000) == "80.2 ms");
  CHECK(ms_text(250'000) == "0.25 ms");
  CHECK(bytes_text(4 << 20) == "4 MiB");
  CHECK(bytes_text(131072) == "128 KiB");
}

TEST_CASE("Ports that are tried", "[doctor]") {
  CHECK(ports_to_try({0, 0}).empty());
  CHECK(ports_to_try({47000, 47000}) == std::vector<int>{47000});
  CHECK(ports_to_try({47001, 47063}).size() == 63);
  const std::vector<int> wide = ports_to_try({20000, 60000});
  CHECK(wide.size() == kMostPorts);
  CHECK(wide.front() == 20000);
  CHECK(wide.back() == 60000);
  CHECK(std::adjacent_find(wide.begin(), wide.end(), std::greater_equal<>()) == wide.end());
}

TEST_CASE("Ports in words", "[doctor]") {
  CHECK(ranges_text({}).empty());
  CHECK(ranges_text({1, 2, 3, 5, 7, 8}) == "1-3, 5, 7-8");
  Sweep sweep;
  for (int port = 47001; port <= 47010; ++port) sweep.data[port] = port <= 47004 ? Port::Open : port == 47006 ? Port::Refused : Port::Silent;
  CHECK(sweep_text(sweep) == "47001-47004 reachable, 47005, 47007-47010: no answer, 47006: refused");
  CHECK(longest_open(sweep) == "47001-47004");
  for (auto& [port, state] : sweep.data) state = port == 47002 ? Port::Open : Port::Unreachable;
  CHECK(longest_open(sweep).empty());
  CHECK(sweep_text(sweep).find("a router or firewall rejects it") != std::string::npos);
}
