// SPDX-License-Identifier: Apache-2.0
// Every site but the first: site.h.
#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <list>

#include "doctor/site.h"
#include "doctor/sweep.h"
#include "security/printable.h"

namespace longhaul::doctor {
namespace {

using nlohmann::json;

constexpr TimeNs kSayAgain = 30 * kSecond;
constexpr std::size_t kMostText = 1000, kMostPorts = 1024, kMostCounts = 16;

class Follower {
 public:
  Follower(const Post& post, Meeting* meeting, const Tell& tell) : post_(post), meeting_(*meeting), tell_(tell) {}

  /// The connection over which the coordinator asked first; there may be two for a moment, of which it uses one.
  Result<Fd> find_coordinator(TimeNs wait, TimeNs end) {
    std::list<Fd> candidates;
    std::string said;
    for (TimeNs said_at = 0;;) {
      if (candidates.empty()) meeting_.dial(0);
      if (auto arrival = meeting_.next(100 * kMillisecond); arrival && arrival->site == 0) candidates.push_back(std::move(arrival->socket));
      for (auto it = candidates.begin(); it != candidates.end();) {
        pollfd readable{it->get(), POLLIN, 0};
        if (::poll(&readable, 1, 0) <= 0) {
          ++it;
          continue;
        }
        auto message = receive_message(*it);
        const bool asked = message.ok() && message->value("do", json()) == "facts" && answer_facts(*it).ok();
        if (asked) return std::move(*it);
        if (message.ok() && message->contains("text")) return ended(*message);
        it = candidates.erase(it);
      }
      const Status problem = meeting_.problem(0);
      if (problem.code() == lhAuthFailed) return Status(problem).with(place_text(post_.config, 0));
      const TimeNs now = steady_now();
      if (now > end) return post_.absent(0, wait, problem);
      const std::string text = fmt::format("waiting for {}{} ...", place_text(post_.config, 0), problem.ok() ? "" : ": " + problem.text());
      if (!candidates.empty() || (text == said && now - said_at < kSayAgain)) continue;
      tell_(text);
      said = text;
      said_at = now;
    }
  }

  /// Until the report is there. *started: something was measured already.
  Result<Report> obey(const Fd& channel, bool* started) {
    set_patience(channel, 0);
    while (true) {
      auto order = receive_message(channel);
      if (!order.ok()) return error(lhRemoteError, "the doctor of {}, which coordinates, has ended ({})", post_.name(0), order.status().text());
      const json what = order->value("do", json());
      Status done;
      *started |= what == "sweep" || what == "measure";
      if (what == "facts") done = answer_facts(channel);
      if (what == "say") tell_(text_of(*order));
      if (what == "sweep") done = do_sweep(channel, *order);
      if (what == "measure") done = do_measure(channel, *order);
      if (what == "report") return read_report(*order);
      if (what == "end") return ended(*order);
      if (!done.ok()) return done;
    }
  }

 private:
  static std::string text_of(const json& message) {
    const json text = message.value("text", json());
    return text.is_string() ? security::printable(text.get<std::string>(), kMostText) : std::string();
  }

  Status ended(const json& message) const { return error(lhAborted, "{}: {}", post_.name(0), text_of(message)); }

  Status answer_facts(const Fd& channel) const { return send_message(channel, {{"facts", post_.facts(channel)}, {"instance", post_.self.instance}}); }

  Result<int> target(const json& order) const {
    auto site = from_peer<int>(order.value("site", json()));
    if (site.ok() && *site >= 0 && *site < static_cast<int>(post_.config.sites.size())) return site;
    return error(lhRemoteError, "{} asks for a site that is not in the configuration of {}", post_.name(0), post_.name(post_.own()));
  }

  Status do_sweep(const Fd& channel, const json& order) const {
    auto site = target(order);
    auto host = from_peer<std::string>(order.value("host", json()));
    auto ports = from_peer<std::vector<int>>(order.value("ports", json()));
    if (!site.ok()) return site.take_status();
    if (!host.ok()) return host.take_status();
    if (!ports.ok()) return ports.take_status();
    if (ports->size() > kMostPorts) ports->resize(kMostPorts);
    return send_message(channel, {{"sweep", sweep({post_.address(*site), *host, *ports})}});
  }

  Status do_measure(const Fd& channel, const json& order) const {
    auto site = target(order);
    auto seconds = from_peer<double>(order.value("seconds", json()));
    auto streams = from_peer<std::vector<int>>(order.value("streams", json()));
    if (!site.ok()) return site.take_status();
    if (!seconds.ok()) return seconds.take_status();
    if (!streams.ok()) return streams.take_status();
    MeasureOptions options{std::clamp(*seconds, 0.2, 30.0), *streams};
    if (options.streams.size() > kMostCounts) options.streams.resize(kMostCounts);
    for (int& count : options.streams) count = std::clamp(count, 1, 32);
    const auto tell = [&](const std::string& text) {
      tell_(fmt::format("{} - {}: {}", post_.name(post_.own()), post_.name(*site), text));
      (void)send_message(channel, {{"say", text}});
    };
    auto measured = measure(post_.self, post_.address(*site), options, tell);
    if (!measured.ok()) return send_message(channel, {{"failed", measured.status().text()}});
    return send_message(channel, {{"measured", *measured}});
  }

  /// Its numbers are for reading only, but the indices must be sites.
  Result<Report> read_report(const json& order) const {
    auto report = from_peer<Report>(order.value("report", json()));
    if (!report.ok()) return report;
    const int sites = static_cast<int>(report->sites.size());
    for (const Link& link : report->links)
      if (link.from < 0 || link.to < 0 || link.from >= sites || link.to >= sites)
        return error(lhRemoteError, "a report about sites that do not exist: run the same longhaul at every site");
    return report;
  }

  const Post& post_;
  Meeting& meeting_;
  const Tell& tell_;
};

}  // namespace

Result<Report> follow(const Post& post, TimeNs wait, Meeting* meeting, const Tell& tell) {
  Follower follower(post, meeting, tell);
  const TimeNs end = steady_now() + wait;
  while (true) {
    auto channel = follower.find_coordinator(wait, end);
    if (!channel.ok()) return channel.take_status();
    bool started = false;
    auto report = follower.obey(*channel, &started);
    if (report.ok() || started || report.status().code() == lhAborted || steady_now() > end) return report;
    tell(report.status().text());  // it may be started again
  }
}

}  // namespace longhaul::doctor
