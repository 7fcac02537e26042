// SPDX-License-Identifier: Apache-2.0
#include "doctor/site.h"

#include <fmt/format.h>
#include <openssl/rand.h>
#include <sys/resource.h>

#include "doctor/facts.h"
#include "doctor/server.h"
#include "transport/ucx/address.h"

namespace longhaul::doctor {
namespace {

/// A range of ports needs as many descriptors.
void allow_many_descriptors() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

Result<std::uint64_t> random_number() {
  std::uint64_t number = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&number), sizeof number) != 1)
    return error(lhSystemError, "OpenSSL gives no random numbers: check its setup");
  return number | 1;
}

}  // namespace

Status Post::absent(int site, TimeNs waited, const Status& problem) const {
  return error(problem.code() == lhAuthFailed ? lhAuthFailed : lhTimeout,
               "{} has not come within {} s: {}. Run 'longhaul doctor' there too, with --site {}, and let port {} through the firewalls",
               place_text(config, site), waited / kSecond, problem.ok() ? "it was reached, but did not stay" : problem.text(), name(site),
               address(site).port);
}

Facts Post::facts(const Fd& socket) const {
  Facts facts = tcp_facts(config.wan.congestion, socket);
  facts.name = name(own());
  facts.address = address(own()).text();
  facts.data_host = transport::advertised_host({.bind_host = config.wan.bind, .advertise_host = config.wan.advertise});
  facts.any_port = config.wan.ports.first == 0;
  facts.ports = ports;
  facts.taken = taken;
  facts.shared = config::shared_text(config);
  return facts;
}

Result<Report> examine(const config::Config& config, const SiteOptions& options, const Tell& tell) {
  if (config.sites.size() < 2) return error(lhInvalidArgument, "the configuration has one site only: there is no link to look at");
  allow_many_descriptors();
  auto instance = random_number();
  if (!instance.ok()) return instance.take_status();
  auto listeners = listen(config);
  if (!listeners.ok()) return listeners.take_status();
  const Post post{.config = config,
                  .self = {.credentials = {.run_id = config.run_id, .secret = config.secret},
                           .congestion = config.wan.congestion,
                           .site = static_cast<std::uint32_t>(config.site),
                           .instance = *instance},
                  .ports = listeners->ports,
                  .taken = listeners->taken};
  if (config.secret.empty())
    tell(
        fmt::format("there is no job secret: until the end, whoever reaches port {} can make this machine send data", post.address(post.own()).port));
  Meeting meeting(post.config, post.self);
  const Server server(post.self, std::move(*listeners),
                      {.facts = [&](const Fd& socket) { return post.facts(socket); },
                       .control = [&](const Request& request, Fd socket) { meeting.receive(request, std::move(socket)); },
                       .tell = tell});
  return config.site == 0 ? coordinate(post, options, &meeting, tell) : follow(post, options.wait, &meeting, tell);
}

}  // namespace longhaul::doctor
