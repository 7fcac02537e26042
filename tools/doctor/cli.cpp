// SPDX-License-Identifier: Apache-2.0
#include "doctor/cli.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <thread>

#include "bootstrap/socket.h"
#include "config/units.h"
#include "doctor/facts.h"
#include "doctor/report.h"
#include "doctor/server.h"
#include "doctor/site.h"
#include "security/printable.h"

namespace longhaul::doctor {
namespace {

constexpr std::uint16_t kPort = 47000;
/// By hand there is no configuration, and anybody may ask.
constexpr const char* kByHand = "longhaul doctor";

struct Options {
  std::string config, site, to, listen, congestion;
  SiteOptions measure;
  double wait = 120;  // seconds
  bool json = false;
};

int wrong(const std::string& text) {
  fmt::print(stderr, "longhaul doctor: {}\n", text);
  return 1;
}

void tell(const std::string& text) { fmt::print(stderr, "{}\n", text); }

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

/// A link that was not measured is a failure, one with faults is not.
int print(const Report& report, bool json) {
  fmt::print("{}", json ? json_of(report) : security::printable(text_of(report), std::string::npos, true));
  for (const Link& link : report.links)
    if (!link.error.empty()) return 1;
  return 0;
}

Self by_hand(const Options& options) {
  return {.credentials = {.run_id = kByHand, .secret = {}}, .congestion = options.congestion.empty() ? "auto" : options.congestion};
}

int listen_by_hand(const Options& options) {
  auto at = parse_own(options.listen);
  if (!at.ok()) return wrong(at.status().text());
  auto listeners = listen(*at);
  if (!listeners.ok()) return wrong(listeners.status().text());
  const Self self = by_hand(options);
  const auto facts = [&](const Fd& socket) {
    Facts found = tcp_facts(self.congestion, socket);
    found.name = "there";
    return found;
  };
  fmt::print("listening at {}, for anybody; at the other site: longhaul doctor --to THIS_HOST:{} (Ctrl-C ends)\n", at->text(), at->port);
  std::fflush(stdout);
  const Server server(self, std::move(*listeners), {.facts = facts, .control = {}, .tell = tell});
  while (true) std::this_thread::sleep_for(std::chrono::hours(1));
}

Result<Report> measure_by_hand(const Self& self, const config::HostPort& peer, const MeasureOptions& options) {
  auto socket = ask(self, peer, {.what = Ask::Facts});
  if (!socket.ok()) return socket.take_status();
  auto answer = receive_message(*socket);
  if (!answer.ok()) return answer.take_status();
  auto there = from_peer<Facts>(*answer);
  if (!there.ok()) return there.take_status();
  Report report{.sites = {tcp_facts(self.congestion, *socket), *there}, .links = {{.from = 0, .to = 1}}};
  report.sites[0].name = "here";
  auto measured = measure(self, peer, options, tell);
  if (!measured.ok()) return measured.take_status();
  report.links[0].measured = std::move(*measured);
  return report;
}

int dial_by_hand(const Options& options) {
  auto peer = parse_peer(options.to);
  if (!peer.ok()) return wrong(peer.status().text());
  auto report = measure_by_hand(by_hand(options), *peer, options.measure.measure);
  if (report.ok()) return print(*report, options.json);
  return wrong(fmt::format("{}: {}. Does 'longhaul doctor --listen' run there, and does the firewall let port {} in?", peer->text(),
                           report.status().text(), peer->port));
}

/// An option is the variable of the same meaning: it goes the library's own way.
int examine_configured(Options options) {
  for (const auto& [variable, value] : {std::pair{"LONGHAUL_CONFIG", options.config}, std::pair{"LONGHAUL_SITE", options.site},
                                        std::pair{"LONGHAUL_WAN_CONGESTION", options.congestion}})
    if (!value.empty()) ::setenv(variable, value.c_str(), 1);
  config::Given given;
  given.in_site_exchange = true;  // where the ranks of a site meet does not matter here
  auto config = config::resolve(nullptr, config::process_environment(), given);
  if (!config.ok()) return wrong(config.status().text());
  options.measure.wait = static_cast<TimeNs>(options.wait * 1e9);
  auto report = examine(*config, options.measure, tell);
  return report.ok() ? print(*report, options.json) : wrong(report.status().text());
}

}  // namespace

void add_commands(CLI::App* app, std::function<int()>* run) {
  CLI::App* doctor = app->add_subcommand("doctor", "Measure the links between sites, say what is wrong and what to type");
  auto options = std::make_shared<Options>();
  auto* config =
      doctor->add_option("--config", options->config, "the job's configuration; run the same at every site (else LONGHAUL_CONFIG or LONGHAUL_SITES)")
          ->type_name("FILE");
  auto* site = doctor->add_option("--site", options->site, "which of its sites this is (else LONGHAUL_SITE)")->type_name("NAME");
  doctor->add_option("--wait", options->wait, "seconds to wait for the other sites")->check(CLI::Range(1.0, 86400.0))->capture_default_str();
  auto* dial = doctor->add_option("--to", options->to, "without a configuration: measure from here to a site that listens")->type_name("HOST[:PORT]");
  auto* wait =
      doctor->add_option("--listen", options->listen, "without a configuration: let anybody measure; [HOST:]PORT of this machine, else 47000")
          ->expected(0, 1)
          ->type_name("[HOST:]PORT");
  for (auto* by_hand : {dial, wait}) by_hand->excludes(config)->excludes(site);
  dial->excludes(wait);
  doctor->add_option("--seconds", options->measure.measure.seconds, "of each capacity measurement (the first site's counts)")
      ->check(CLI::Range(0.2, 30.0))
      ->capture_default_str();
  doctor->add_option("--streams", options->measure.measure.streams, "how many connections at once to try (the first site's count)")
      ->delimiter(',')
      ->check(CLI::Range(1, 32))
      ->capture_default_str();
  doctor->add_option("--congestion", options->congestion, "congestion control of what this end sends, as wan.congestion: auto, system or a name");
  doctor->add_flag("--json", options->json, "the report as JSON");
  doctor->callback([=] {
    *run = [=]() -> int {
      if (dial->count() > 0) return dial_by_hand(*options);
      if (wait->count() > 0) return listen_by_hand(*options);
      if (config->count() > 0 || site->count() > 0 || std::getenv("LONGHAUL_CONFIG") != nullptr || std::getenv("LONGHAUL_SITES") != nullptr)
        return examine_configured(*options);
      return wrong("say --config FILE --site NAME at every site of a job, or --listen at one site and --to HOST at the other");
    };
  });
}

}  // namespace longhaul::doctor
