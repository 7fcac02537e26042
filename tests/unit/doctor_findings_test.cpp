// SPDX-License-Identifier: Apache-2.0
// The advice of `longhaul doctor` on numbers as they were measured, each fault alone.
#include <algorithm>

#include "doctor/findings.h"
#include "doctor/report.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::doctor;

namespace {

Facts well_kept(const std::string& name, const std::string& address) {
  Facts facts;
  facts.name = name;
  facts.address = address;
  facts.most_send_buffer = facts.most_receive_buffer = 64 << 20;
  facts.bbr_allowed = true;
  facts.congestion = "bbr";
  facts.device_mtu = 1500;
  facts.data_host = address.substr(0, address.find(':'));
  facts.ports = {47001, 47002, 47003};
  facts.shared = "run_id = a\nwan.codec = i8\n";
  return facts;
}

Sweep all_open() { return {Port::Open, {{47001, Port::Open}, {47002, Port::Open}, {47003, Port::Open}}}; }

/// 1 Gbit/s over 80 ms between two well-kept machines.
Report sound() {
  Report report;
  report.sites = {well_kept("here", "10.0.1.1:47000"), well_kept("there", "10.0.2.1:47000")};
  Link link{.from = 0, .to = 1, .swept = true, .up = all_open(), .down = all_open()};
  Measured& m = link.measured;
  m.least_rtt = 80 * kMillisecond;
  m.median_rtt = m.least_rtt + 200 * kMicrosecond;
  m.p95_rtt = m.least_rtt + kMillisecond;
  m.up = m.down = {100 * kMicrosecond, 300 * kMicrosecond, kMillisecond, 0};
  m.loss_up = m.loss_down = {20000, 0};
  m.mtu = 1500;
  m.capacity = {{.streams = 1, .up = 940e6, .down = 945e6, .rtt_up = 90 * kMillisecond},
                {.streams = 2, .up = 950e6, .down = 980e6, .rtt_up = 100 * kMillisecond}};
  report.links = {link};
  return report;
}

bool mentions(const Report& report, const std::string& text) {
  const std::vector<Finding> findings = find(report);
  return std::any_of(findings.begin(), findings.end(),
                     [&](const Finding& f) { return (f.problem + f.command + f.gain).find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("A sound link has no findings and a proposal", "[doctor]") {
  const Report report = sound();
  CHECK(find(report).empty());
  CHECK(verdict(report) == "The link carries 940 Mbit/s at 80.0 ms; nothing is wrong that can be seen from here.");
  CHECK(enough(report.links[0].measured)->streams == 1);
  CHECK(proposal(report).find("rate_limit = \"921mbit\"") != std::string::npos);
  CHECK(proposal(report).find("window = \"32MiB\"") != std::string::npos);
  CHECK(proposal(report).find("streams =") == std::string::npos);
}

TEST_CASE("Each fault of a machine is named at the end that has it", "[doctor]") {
  Report report = sound();
  Measured& m = report.links[0].measured;
  Facts &here = report.sites[0], &there = report.sites[1];
  SECTION("small send buffer") {
    there.most_send_buffer = 4 << 20;
    REQUIRE(find(report).size() == 1);
    CHECK(find(report)[0].where == "there");
    CHECK(find(report)[0].problem.find("(tcp_wmem)") != std::string::npos);
    CHECK(find(report)[0].command == "sysctl -w net.ipv4.tcp_wmem=\"4096 65536 33554432\"");
    CHECK(find(report)[0].gain.find("281 Mbit/s") != std::string::npos);
    CHECK(verdict(report).ends_with("; one thing is wrong."));
  }
  SECTION("the same buffer is enough next door") {
    there.most_send_buffer = 4 << 20;
    m.least_rtt = m.median_rtt = m.p95_rtt = 15 * kMillisecond;
    m.capacity[0].rtt_up = m.capacity[1].rtt_up = m.least_rtt;
    CHECK(find(report).empty());
  }
  SECTION("small receive buffer") {
    here.most_receive_buffer = 1 << 20;
    CHECK(mentions(report, "here: the receive buffer"));
  }
  SECTION("cubic where nothing is lost is worth knowing") {
    here.congestion = "cubic";
    REQUIRE(find(report).size() == 1);
    CHECK_FALSE(find(report)[0].wrong);
    CHECK(mentions(report, "congestion = \"auto\""));
    CHECK(verdict(report).find("nothing is wrong") != std::string::npos);
  }
  SECTION("cubic and a loss of 0.1 % from that end") {
    here.congestion = "cubic";
    m.loss_up.lost = 20;
    REQUIRE(find(report).size() == 1);
    CHECK(find(report)[0].wrong);
    CHECK(mentions(report, "with cubic about 5.6 Mbit/s"));
  }
  SECTION("bbr is not to be had") {
    here.bbr_allowed = false;
    here.congestion = "reno";
    CHECK(find(report)[0].wrong);
    CHECK(mentions(report, "modprobe tcp_bbr"));
  }
  SECTION("slow start after idle, which bbr does not look at") {
    here.slow_start_after_idle = true;
    CHECK(find(report).empty());
    here.congestion = "cubic";
    CHECK(mentions(report, "tcp_slow_start_after_idle=0"));
  }
  SECTION("a feature is switched off") {
    there.switched_off = {"tcp_window_scaling"};
    CHECK(mentions(report, "sysctl -w net.ipv4.tcp_window_scaling=1"));
  }
  SECTION("settings that must be equal") {
    there.shared = "run_id = a\nwan.codec = none\n";
    CHECK(mentions(report, "wan.codec: i8 at here, none at there"));
  }
}

TEST_CASE("Each fault of the path is named", "[doctor]") {
  Report report = sound();
  Measured& m = report.links[0].measured;
  SECTION("tunnel") {
    m.mtu = 1280;
    CHECK(mentions(report, "1280"));
  }
  SECTION("jumbo frames") {
    m.capacity = {{.streams = 4, .up = 9e9, .down = 9e9}};
    for (Facts& facts : report.sites) facts.most_send_buffer = facts.most_receive_buffer = std::uint64_t{1} << 30;
    REQUIRE(find(report).size() == 1);
    CHECK(mentions(report, "carry 4.0 % more"));
  }
  SECTION("jitter is told by direction") {
    m.down.p95 = 15 * kMillisecond;
    m.up.p95 = 5 * kMillisecond;  // a sixteenth of the round trip is left alone
    REQUIRE(find(report).size() == 1);
    CHECK(find(report)[0].problem.starts_with("there -> here: one small message in twenty comes 15.0 ms late"));
  }
  SECTION("losses under bbr") {
    m.loss_down.lost = 40;
    REQUIRE(find(report).size() == 1);
    CHECK(find(report)[0].wrong);
    CHECK(mentions(report, "there -> here loses 0.2 %"));
    m.loss_down.lost = 2;  // may be anything
    CHECK(find(report).empty());
  }
  SECTION("unequal directions") {
    for (Capacity& c : m.capacity) c.down = 300e6;
    CHECK(mentions(report, "there -> here carries 300 Mbit/s, the other way 950 Mbit/s"));
    CHECK(mentions(report, "up to 3.2 times"));
    m.loss_down.lost = 40;  // explains it
    CHECK_FALSE(mentions(report, "the other way"));
  }
  SECTION("a deep queue") {
    m.capacity[1].rtt_down = 240 * kMillisecond;
    REQUIRE(find(report).size() == 1);
    CHECK_FALSE(find(report)[0].wrong);
    CHECK(mentions(report, "takes 160 ms less"));
  }
  SECTION("something limits each connection") {
    m.capacity[0].up = 200e6;
    CHECK(mentions(report, "one connection carries 200 Mbit/s, 2 carry 950 Mbit/s"));
  }
  SECTION("clocks") {
    m.clock_offset = -5 * kSecond;
    CHECK(mentions(report, "the clock of there is 5.0 s behind that of here"));
  }
  SECTION("large packets disappear") {
    for (Capacity& c : m.capacity) c.up = 0;
    CHECK(mentions(report, "tcp_mtu_probing=1"));
    CHECK(proposal(report).empty());
  }
}

TEST_CASE("Ports that are closed", "[doctor]") {
  Report report = sound();
  Link& link = report.links[0];
  SECTION("some of the range, dropped") {
    link.up.data[47002] = link.up.data[47003] = Port::Silent;
    REQUIRE(find(report).size() == 1);
    CHECK(find(report)[0].where == "there");
    CHECK(mentions(report, "47001 reachable, 47002-47003: no answer (a firewall drops what comes"));
    CHECK(mentions(report, "iptables -I INPUT -p tcp --dport 47002:47003 -j ACCEPT"));
  }
  SECTION("the others would do") {
    link.up.data[47003] = Port::Refused;
    CHECK(mentions(report, "or ports = \"47001-47002\""));
  }
  SECTION("all of them: the ranks say a host that does not answer") {
    report.sites[1].data_host = "172.17.0.1";
    for (auto& [port, state] : link.up.data) state = Port::Silent;
    CHECK(mentions(report, "advertise = \"10.0.2.1\""));
  }
  SECTION("all of them: nobody chose ports") {
    report.sites[1].any_port = true;
    for (auto& [port, state] : link.up.data) state = Port::Silent;
    CHECK(mentions(report, "ports = \"47001-47063\""));
  }
  SECTION("the address port of the earlier site is what a job needs") {
    link.down.address = Port::Silent;
    REQUIRE(find(report).size() == 1);
    CHECK(find(report)[0].wrong);
    CHECK(mentions(report, "there does not reach 10.0.1.1:47000 of here"));
  }
  SECTION("that of the later site is not") {
    link.up.address = Port::Silent;
    REQUIRE(find(report).size() == 1);
    CHECK_FALSE(find(report)[0].wrong);
  }
  SECTION("a link that was not measured still tells its ports") {
    link.error = "neither reaches the other";
    link.up.address = link.down.address = Port::Silent;
    CHECK(find(report).size() == 2);
    CHECK(verdict(report) == "The link could not be measured; one thing is wrong.");
    CHECK(text_of(report).find("neither reaches the other") != std::string::npos);
  }
  SECTION("ports of other programs") {
    report.sites[0].taken = {47004};
    CHECK(mentions(report, "other programs of here use 47004"));
  }
}

TEST_CASE("The fewest streams that are nearly as good as any", "[doctor]") {
  Report report = sound();
  Measured& m = report.links[0].measured;
  m.capacity = {{.streams = 1, .up = 281e6, .down = 286e6},
                {.streams = 4, .up = 863e6, .down = 928e6},
                {.streams = 8, .up = 943e6, .down = 950e6},
                {.streams = 16, .up = 900e6, .down = 950e6}};
  CHECK(enough(m)->streams == 8);
  CHECK(best_rate(m) == Approx(943e6));
  CHECK(proposal(report).find("streams = ") == std::string::npos);  // 80 ms get eight anyway
  m.least_rtt = 20 * kMillisecond;
  CHECK(proposal(report).find("streams = 8 ") != std::string::npos);
  m.capacity.clear();
  CHECK(enough(m) == nullptr);
}

TEST_CASE("Findings of several links about one machine are one, the most demanding", "[doctor]") {
  Report report = sound();
  report.sites.push_back(well_kept("far", "10.0.3.1:47000"));
  report.sites[0].most_send_buffer = 4 << 20;
  Link far = report.links[0];
  far.to = 2;
  far.measured.least_rtt = 160 * kMillisecond;
  report.links.push_back(far);
  REQUIRE(find(report).size() == 1);
  CHECK(find(report)[0].command.find("67108864") != std::string::npos);
  CHECK(verdict(report) == "2 links carry 940 Mbit/s to 940 Mbit/s at 80.0 ms to 160 ms; one thing is wrong.");
  report.links[1].error = "gone";
  CHECK(verdict(report).find("1 could not be measured") != std::string::npos);
}

TEST_CASE("A report travels as it is, and what is none is refused", "[doctor]") {
  Report report = sound();
  report.links[0].measured.loss_up.lost = 3;
  const auto back = from_peer<Report>(nlohmann::json::parse(nlohmann::json(report).dump()));
  REQUIRE(back.ok());
  CHECK(nlohmann::json(*back) == nlohmann::json(report));
  CHECK(json_of(*back) == json_of(report));
  for (const char* text : {"null", "[]", "3", R"({"sites": 1, "links": []})", R"({"sites": [], "links": [{"from": "x"}]})"})
    CHECK_FALSE(from_peer<Report>(nlohmann::json::parse(text)).ok());
}
