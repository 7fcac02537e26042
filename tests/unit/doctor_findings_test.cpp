// SPDX-License-Identifier: Apache-2.0
// The advice of `longhaul doctor` on numbers as they were measured, each fault alone.
#include "doctor/findings.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::doctor;

namespace {

/// 1 Gbit/s over 80 ms between two well-kept machines.
Measured sound() {
  Measured m;
  m.least_rtt = 80 * kMillisecond;
  m.median_rtt = m.least_rtt + 200 * kMicrosecond;
  m.p95_rtt = m.least_rtt + kMillisecond;
  m.mtu = 1500;
  m.congestion = "bbr";
  m.here = {.most_send_buffer = 64 << 20, .most_receive_buffer = 64 << 20, .slow_start_after_idle = false, .bbr_allowed = true, .congestion = "cubic"};
  m.there = m.here;
  m.capacity = {{.streams = 1, .up = 940e6, .down = 945e6, .resent = 0}, {.streams = 2, .up = 950e6, .down = 980e6, .resent = 0}};
  return m;
}

bool mentions(const std::vector<Finding>& findings, const std::string& text) {
  for (const Finding& f : findings)
    if ((f.problem + f.command).find(text) != std::string::npos) return true;
  return false;
}

}  // namespace

TEST_CASE("A sound link has no findings and a proposal", "[doctor]") {
  const Measured m = sound();
  CHECK(find(m).empty());
  CHECK(enough(m).streams == 1);
  CHECK(proposal(m).find("rate_limit = \"921mbit\"") != std::string::npos);
  CHECK(proposal(m).find("window = \"32MiB\"") != std::string::npos);
}

TEST_CASE("Each fault is named at the end that has it", "[doctor]") {
  Measured m = sound();
  SECTION("small send buffer") {
    m.there.most_send_buffer = 4 << 20;
    REQUIRE(find(m).size() == 1);
    CHECK(find(m)[0].problem.starts_with("there: tcp_wmem"));
    CHECK(find(m)[0].command == "sysctl -w net.ipv4.tcp_wmem=\"4096 65536 33554432\"");
    CHECK(find(m)[0].gain.find("281 Mbit/s") != std::string::npos);
  }
  SECTION("the same buffer is enough next door") {
    m.there.most_send_buffer = 4 << 20;
    m.least_rtt = m.median_rtt = m.p95_rtt = 15 * kMillisecond;
    CHECK(find(m).empty());
  }
  SECTION("small receive buffer") {
    m.here.most_receive_buffer = 1 << 20;
    CHECK(mentions(find(m), "here: tcp_rmem"));
  }
  SECTION("no bbr") {
    m.here.bbr_allowed = false;
    CHECK(mentions(find(m), "modprobe tcp_bbr"));
    m.here.slow_start_after_idle = true;
    CHECK(mentions(find(m), "tcp_slow_start_after_idle=0"));
  }
  SECTION("tunnel") {
    m.mtu = 1280;
    CHECK(mentions(find(m), "1280"));
  }
  SECTION("jitter") {
    m.p95_rtt = 2 * m.least_rtt;
    CHECK(mentions(find(m), "varies"));
  }
  SECTION("clocks") {
    m.clock_offset = -5 * kSecond;
    CHECK(mentions(find(m), "-5.0 s"));
  }
}

TEST_CASE("The fewest streams that are nearly as good as any", "[doctor]") {
  Measured m = sound();
  m.capacity = {{1, 281e6, 286e6, 0}, {4, 863e6, 928e6, 0}, {8, 943e6, 950e6, 0}, {16, 1020e6, 1005e6, 0.03}};
  CHECK(enough(m).streams == 8);
  CHECK(best_rate(m) == Approx(943e6));
}
