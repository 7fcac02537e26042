// SPDX-License-Identifier: Apache-2.0
#include "doctor/cli.h"

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "config/units.h"
#include "doctor/measure.h"
#include "doctor/peer.h"

namespace longhaul::doctor {
namespace {

constexpr std::uint16_t kPort = 47000;

int wrong(const std::string& text) {
  fmt::print(stderr, "longhaul doctor: {}\n", text);
  return 1;
}

/// Where to listen: nothing, PORT or HOST:PORT.
Result<config::HostPort> parse_own(const std::string& text) {
  if (text.find(':') != std::string::npos) return config::parse_host_port(text);
  auto port = text.empty() ? Result<int>(kPort) : config::parse_int(text, 1, 65535);
  if (!port.ok()) return port.take_status();
  return config::HostPort{"0.0.0.0", static_cast<std::uint16_t>(*port)};
}

/// HOST or HOST:PORT.
Result<config::HostPort> parse_peer(const std::string& text) {
  const bool has_port = text.find(':') != std::string::npos;
  return config::parse_host_port(has_port ? text : fmt::format("{}:{}", text, kPort));
}

double ms(TimeNs time) { return static_cast<double>(time) / 1e6; }

void print_text(const Measured& m) {
  fmt::print("round trip     {:.2f} ms least, {:.2f} median, {:.2f} at the 95th percentile\n", ms(m.least_rtt), ms(m.median_rtt), ms(m.p95_rtt));
  fmt::print("path           packets of {} bytes, {} here, clocks {:+.1f} ms apart (give or take {:.1f})\n", m.mtu, m.congestion, ms(m.clock_offset),
             ms(m.least_rtt) / 2);
  fmt::print("\nstreams   from here     to here       sent again\n");
  for (const Capacity& c : m.capacity)
    fmt::print("{:>7}   {:<13} {:<13} {:.3f} %\n", c.streams, rate_text(c.up), rate_text(c.down), c.resent * 100);
  fmt::print("\n");
  const std::vector<Finding> findings = find(m);
  if (findings.empty()) fmt::print("Nothing is wrong that can be seen from here.\n");
  for (const Finding& finding : findings) {
    fmt::print("* {}\n", finding.problem);
    if (!finding.command.empty()) fmt::print("    run:  {}\n", finding.command);
    fmt::print("    gain: {}\n", finding.gain);
  }
  if (const std::string wan = proposal(m); !wan.empty()) fmt::print("\nFor the configuration of every rank:\n\n[wan]\n{}", wan);
}

void print_json(const Measured& m) {
  nlohmann::json out{{"rtt_ms", {{"least", ms(m.least_rtt)}, {"median", ms(m.median_rtt)}, {"p95", ms(m.p95_rtt)}}},
                     {"clock_offset_ms", ms(m.clock_offset)},
                     {"mtu", m.mtu},
                     {"congestion", m.congestion},
                     {"enough_streams", enough(m).streams},
                     {"wan", proposal(m)},
                     {"capacity", nlohmann::json::array()},
                     {"findings", nlohmann::json::array()}};
  for (const Capacity& c : m.capacity)
    out["capacity"].push_back({{"streams", c.streams}, {"up_bits_per_s", c.up}, {"down_bits_per_s", c.down}, {"resent", c.resent}});
  for (const Finding& f : find(m)) out["findings"].push_back({{"problem", f.problem}, {"command", f.command}, {"gain", f.gain}});
  fmt::print("{}\n", out.dump(1));
}

int diagnose(MeasureOptions options, const std::string& to, bool json) {
  auto peer = parse_peer(to);
  if (!peer.ok()) return wrong(peer.status().text());
  options.peer = *peer;
  auto measured = measure(options, [](const std::string& step) { fmt::print(stderr, "{}\n", step); });
  if (!measured.ok())
    return wrong(fmt::format("{}. Does 'longhaul doctor --listen' run there, and does the firewall let port {} in?", measured.status().text(), peer->port));
  json ? print_json(*measured) : print_text(*measured);
  return 0;
}

}  // namespace

void add_commands(CLI::App* app, std::function<int()>* run) {
  CLI::App* doctor = app->add_subcommand("doctor", "Measure the link between two sites, say what is wrong and what to type");
  auto options = std::make_shared<MeasureOptions>();
  auto to = std::make_shared<std::string>();
  auto listen = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  auto* dial = doctor->add_option("--to", *to, "measure from here to a site that listens")->type_name("HOST[:PORT]");
  auto* wait = doctor->add_option("--listen", *listen, "let another site measure; [HOST:]PORT of this machine, else 47000")->expected(0, 1)->type_name("[HOST:]PORT");
  dial->excludes(wait);
  doctor->add_option("--seconds", options->seconds, "of each capacity measurement")->check(CLI::Range(0.2, 30.0))->capture_default_str();
  doctor->add_option("--streams", options->streams, "how many connections at once to try")->delimiter(',')->check(CLI::Range(1, 32))->capture_default_str();
  doctor->add_option("--congestion", options->congestion, "congestion control of this end's connections; the other end uses bbr where allowed")->capture_default_str();
  doctor->add_flag("--json", *json, "the report as JSON");
  doctor->callback([=] {
    *run = [=]() -> int {
      if (!to->empty()) return diagnose(*options, *to, *json);
      if (wait->count() == 0) return wrong("say --listen at one site and --to HOST at the other");
      auto at = parse_own(*listen);
      if (!at.ok()) return wrong(at.status().text());
      return wrong(serve(*at).text());
    };
  });
}

}  // namespace longhaul::doctor
