// SPDX-License-Identifier: Apache-2.0
#include "emulate/daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "config/units.h"
#include "emulate/control.h"
#include "emulate/hub.h"
#include "emulate/settings.h"

namespace longhaul::emulate {
namespace {

using nlohmann::json;

json counters_json(const PathCounters& c) {
  return {{"offered_packets", c.offered_packets}, {"offered_bytes", c.offered_bytes}, {"delivered_packets", c.delivered_packets},
          {"delivered_bytes", c.delivered_bytes}, {"lost", c.lost}, {"queue_drops", c.queue_drops}, {"outage_drops", c.outage_drops},
          {"reordered", c.reordered}, {"worst_lateness_ns", c.worst_lateness}, {"total_lateness_ns", c.total_lateness},
          {"takes", c.takes}, {"late_takes", c.late_takes}};
}

double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/// Everything the running emulator answers to.
class Service {
 public:
  Service(Hub* hub, const Fd* user) : hub_(*hub), user_(*user), start_(steady_now()) {}

  json answer(const json& request) {
    const std::string ask = request.value("ask", "");
    if (ask == "state") return state();
    if (ask == "set") return set(request);
    if (ask == "down") {
      stopping_ = true;
      return {{"ok", true}};
    }
    return {{"error", "unknown request"}};
  }
  bool stopping() const { return stopping_; }

 private:
  json state() const {
    const TimeNs now = steady_now();
    json sites = json::array(), links = json::array();
    for (int i = 0; i < hub_.site_count(); ++i)
      sites.push_back({{"name", hub_.site(i).name}, {"address", address_text(hub_.site(i).address)}, {"network", hub_.site(i).network.get()}});
    for (int from = 0; from < hub_.site_count(); ++from) {
      for (int to = 0; to < hub_.site_count(); ++to) {
        if (from == to) continue;
        const Path& path = hub_.path(from, to);
        json settings;
        for (const Setting& setting : all_settings())
          if (setting.text) settings[setting.name] = setting.text(path.settings());
        links.push_back({{"from", hub_.site(from).name}, {"to", hub_.site(to).name}, {"settings", settings},
                         {"counters", counters_json(path.counters())}, {"backlog_bytes", path.backlog(now)}, {"down", path.down(now)}});
      }
    }
    return {{"pid", ::getpid()}, {"user", user_.get()}, {"now_ns", now}, {"uptime_ns", now - start_}, {"cpu_s", cpu_seconds()},
            {"strays", hub_.strays()}, {"refused_writes", hub_.refused_writes()}, {"sites", sites}, {"links", links}};
  }

  json set(const json& request) {
    const std::string from_name = request.value("from", "*"), to_name = request.value("to", "*");
    const json changes = request.value("settings", json::object());
    int matched = 0;
    for (int from = 0; from < hub_.site_count(); ++from) {
      for (int to = 0; to < hub_.site_count(); ++to) {
        if (from == to || !matches(from_name, from) || !matches(to_name, to)) continue;
        ++matched;
        PathSettings settings = hub_.path(from, to).settings();
        for (const auto& [name, value] : changes.items())
          if (Status status = apply_setting(&settings, name, value.is_string() ? value.get<std::string>() : value.dump()); !status.ok())
            return {{"error", status.text()}};
        hub_.path(from, to).set(settings);
      }
    }
    if (matched == 0) return {{"error", fmt::format("there is no link from {} to {}", from_name, to_name)}};
    return {{"links", matched}};
  }
  bool matches(const std::string& name, int site) const { return name == "*" || name == hub_.site(site).name; }

  Hub& hub_;
  const Fd& user_;
  TimeNs start_;
  bool stopping_ = false;
};

/// Until "down", SIGTERM or SIGINT.
void serve(Hub* hub, ControlServer* control, const Fd& user, const Fd& signals) {
  Service service(hub, &user);
  std::vector<pollfd> fds;
  while (!service.stopping()) {
    const TimeNs next = hub->turn(steady_now());
    fds.clear();
    fds.push_back({signals.get(), POLLIN, 0});
    control->append_wait_fds(fds);
    const std::size_t controls = fds.size();
    hub->append_wait_fds(fds);
    const TimeNs wait = next == kNever ? kSecond : std::clamp<TimeNs>(next - steady_now(), 0, kSecond);
    const timespec timeout{wait / kSecond, wait % kSecond};
    if (::ppoll(fds.data(), fds.size(), &timeout, nullptr) <= 0) continue;
    if (fds[0].revents) return;
    if (std::any_of(fds.begin() + 1, fds.begin() + static_cast<std::ptrdiff_t>(controls), [](const pollfd& fd) { return fd.revents != 0; }))
      control->turn([&](const json& request) { return service.answer(request); });
  }
}

Fd block_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return Fd(::signalfd(-1, &set, SFD_CLOEXEC));
}

/// Builds everything, calls `ready` and serves. The error is from before that.
Status run_emulator(const UpOptions& options, const std::function<void(const Hub&)>& ready) {
  Result<std::string> path = socket_path(options.name);
  if (!path.ok()) return path.take_status();
  Result<ControlServer> control = ControlServer::listen(*path);
  if (!control.ok()) return control.take_status();
  const Fd signals = block_signals();
  Fd user;
  if (::geteuid() != 0) {
    if (Status status = enter_user_namespace(); !status.ok()) return status;
    user = Fd(::open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  }
  std::vector<Site> sites;
  for (std::size_t i = 0; i < options.sites.size(); ++i) {
    Result<Site> site = make_site(options.sites[i], static_cast<int>(i), options.mtu);
    if (!site.ok()) return site.take_status();
    sites.push_back(std::move(*site));
  }
  Hub hub(std::move(sites), options.settings, options.seed);
  make_punctual();
  ready(hub);
  serve(&hub, &*control, user, signals);
  return {};
}

std::string how_to_use(const UpOptions& options) {
  const std::string name = options.name == "default" ? "" : " --name " + options.name;
  std::string text = fmt::format("emulator '{}' is up: {} sites, each its own network\n", options.name, options.sites.size());
  for (std::size_t i = 0; i < options.sites.size(); ++i)
    text += fmt::format("  {:<12} {}\n", options.sites[i], address_text(site_address(static_cast<int>(i))));
  for (const Setting& setting : all_settings())
    if (setting.text) text += fmt::format("  {:<12} {}\n", setting.name, setting.text(options.settings));
  text += fmt::format(
      "run there:  longhaul emulate exec{0} {1} -- ping -c 3 {2}\nwatch:      longhaul emulate show{0}\n"
      "change:     longhaul emulate set{0} --loss 0.001\nend:        longhaul emulate down{0}\n",
      name, options.sites[0], address_text(site_address(1)));
  return text;
}

}  // namespace

Result<std::vector<std::string>> parse_sites(const std::string& text) {
  std::vector<std::string> names;
  if (!text.empty() && text.find_first_not_of("0123456789") == std::string::npos) {
    Result<int> count = config::parse_int(text, 2, kMaxSites);
    if (!count.ok()) return count.take_status();
    for (int i = 0; i < *count; ++i) names.push_back(fmt::format("site{}", i));
    return names;
  }
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  const bool twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  if (names.size() < 2 || names.size() > static_cast<std::size_t>(kMaxSites) || sorted.front().empty() || twice)
    return error(lhInvalidArgument, "--sites '{}': give a number from 2 to {}, or as many different names, e.g. wisconsin,atlanta", text, kMaxSites);
  return names;
}

int run_up(const UpOptions& options) {
  const auto say_ready = [&](const Hub&) { std::fputs(how_to_use(options).c_str(), stdout), std::fflush(stdout); };
  const auto fail = [](const std::string& text) { return std::fprintf(stderr, "longhaul emulate up: %s\n", text.c_str()), 1; };
  if (options.foreground) {
    const Status status = run_emulator(options, say_ready);
    return status.ok() ? 0 : fail(status.text());
  }
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return fail("no pipe");
  Fd from_child(report[0]), to_parent(report[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail("fork failed");
  if (child == 0) {
    ::setsid();
    const auto ready = [&](const Hub&) {
      const Fd null(::open("/dev/null", O_RDWR));
      for (const int fd : {0, 1, 2}) ::dup2(null.get(), fd);
      [[maybe_unused]] const auto told = ::write(to_parent.get(), "+", 1);
      to_parent = Fd();
    };
    const Status status = run_emulator(options, ready);
    if (to_parent.valid() && !status.ok())
      [[maybe_unused]] const auto told = ::write(to_parent.get(), status.text().data(), status.text().size());
    return status.ok() ? 0 : 1;
  }
  to_parent = Fd();
  std::string heard;
  char buffer[512];
  for (ssize_t got; (got = ::read(from_child.get(), buffer, sizeof buffer)) > 0;) heard.append(buffer, static_cast<std::size_t>(got));
  if (heard != "+") return fail(heard.empty() ? "it ended at once" : heard);
  std::fputs(how_to_use(options).c_str(), stdout);
  return 0;
}

}  // namespace longhaul::emulate
