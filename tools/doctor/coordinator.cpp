// SPDX-License-Identifier: Apache-2.0
// The first site: site.h.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "doctor/site.h"
#include "doctor/sweep.h"
#include "security/printable.h"

namespace longhaul::doctor {
namespace {

using nlohmann::json;

constexpr TimeNs kSayAgain = 30 * kSecond;
constexpr std::size_t kMostText = 500;

class Coordinator {
 public:
  Coordinator(const Post& post, const SiteOptions& options, Meeting* meeting, const Tell& tell)
      : post_(post), options_(options), meeting_(*meeting), tell_(tell), members_(post.config.sites.size()) {}

  Result<Report> run() {
    if (Status gathered = gather(); !gathered.ok()) {
      for (int site = 1; site < count(); ++site) send(site, {{"do", "end"}, {"text", gathered.text()}});
      return gathered;
    }
    Report report;
    for (const Member& member : members_) report.sites.push_back(member.facts);
    report.sites[0] = post_.facts(members_[1].channel);
    members_[0].facts = report.sites[0];
    const int pairs = count() * (count() - 1) / 2;
    for (int i = 0, number = 1; i < count(); ++i)
      for (int j = i + 1; j < count(); ++j, ++number) {
        prefix_ = fmt::format("{} - {} ({} of {}): ", post_.name(i), post_.name(j), number, pairs);
        report.links.push_back(examine_link(i, j));
        if (const std::string& problem = report.links.back().error; !problem.empty()) say(prefix_ + problem);
      }
    hand_out(report);
    return report;
  }

 private:
  struct Member {
    Fd channel;
    std::uint64_t instance = 0;
    Facts facts;
  };

  int count() const { return static_cast<int>(members_.size()); }
  Member& member(int site) { return members_[static_cast<std::size_t>(site)]; }

  void send(int site, const json& message) {
    if (Fd& channel = member(site).channel; channel.valid() && !send_message(channel, message).ok()) channel = Fd();
  }

  void say(const std::string& text, int except = 0) {
    tell_(text);
    for (int site = 1; site < count(); ++site)
      if (site != except) send(site, {{"do", "say"}, {"text", text}});
  }

  /// Nothing is to come from a site that was not asked, but its end.
  bool gone(int site) {
    std::byte byte{};
    const auto got = ::recv(member(site).channel.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK);
  }

  Status gather() {
    const TimeNs began = steady_now();
    std::string said;
    for (TimeNs said_at = 0;;) {
      std::vector<int> missing;
      for (int site = 1; site < count(); ++site) {
        if (member(site).channel.valid() && gone(site)) member(site).channel = Fd();
        if (member(site).channel.valid()) continue;
        if (const Status problem = meeting_.problem(site); problem.code() == lhAuthFailed)
          return Status(problem).with(place_text(post_.config, site));
        missing.push_back(site);
        meeting_.dial(site);
      }
      if (missing.empty()) return {};
      const TimeNs now = steady_now();
      if (now - began > options_.wait) return post_.absent(missing.front(), options_.wait, meeting_.problem(missing.front()));
      std::string text = "waiting for";
      for (const int site : missing) {
        const Status problem = meeting_.problem(site);
        text += fmt::format("{} {}{}", site == missing.front() ? "" : ",", place_text(post_.config, site), problem.ok() ? "" : ": " + problem.text());
      }
      if (text != said || now - said_at >= kSayAgain) {
        say(text + " ...");
        said = text;
        said_at = now;
      }
      if (auto arrival = meeting_.next(kSecond)) adopt(std::move(*arrival));
    }
  }

  void adopt(Meeting::Arrival arrival) {
    Member& one = member(arrival.site);
    if (one.channel.valid() && !gone(arrival.site)) {
      if (arrival.instance == 0 || arrival.instance == one.instance) return;
      set_patience(arrival.socket, 1);
      (void)send_message(arrival.socket, {{"do", "end"}, {"text", fmt::format("another doctor runs as site {} already", post_.name(arrival.site))}});
      return;
    }
    if (!send_message(arrival.socket, {{"do", "facts"}}).ok()) return;
    auto answer = receive_message(arrival.socket);
    if (!answer.ok()) return;
    auto facts = from_peer<Facts>((*answer)["facts"]);
    if (!facts.ok()) return tell_(facts.status().text());
    auto instance = from_peer<std::uint64_t>((*answer)["instance"]);
    one.instance = instance.ok() ? *instance : 0;
    one.facts = std::move(*facts);
    one.facts.name = post_.name(arrival.site);
    one.facts.address = post_.address(arrival.site).text();
    one.channel = std::move(arrival.socket);
    set_patience(one.channel, 0);
    meeting_.stop_dialling(arrival.site);
    say(fmt::format("{} is here", post_.name(arrival.site)));
  }

  /// Has another site do something; what it says meanwhile is passed on.
  Result<json> command(int site, const json& order) {
    send(site, order);
    while (true) {
      if (!member(site).channel.valid()) return error(lhRemoteError, "the doctor of {} has ended", post_.name(site));
      auto answer = receive_message(member(site).channel);
      if (!answer.ok())
        member(site).channel = Fd();
      else if (!answer->contains("say"))
        return answer;
      else if ((*answer)["say"].is_string())
        say(prefix_ + security::printable((*answer)["say"].get<std::string>(), kMostText), site);
    }
  }

  Result<Sweep> sweep_from(int site, int target) {
    const Facts& facts = member(target).facts;
    if (site == post_.own()) return sweep({post_.address(target), facts.data_host, facts.ports});
    auto answer = command(site, {{"do", "sweep"}, {"site", target}, {"host", facts.data_host}, {"ports", facts.ports}});
    if (!answer.ok()) return answer.take_status();
    return from_peer<Sweep>((*answer)["sweep"]);
  }

  Result<Measured> measure_from(int site, int target) {
    if (site == post_.own())
      return measure(post_.self, post_.address(target), options_.measure, [&](const std::string& text) { say(prefix_ + text); });
    auto answer = command(site, {{"do", "measure"}, {"site", target}, {"seconds", options_.measure.seconds}, {"streams", options_.measure.streams}});
    if (!answer.ok()) return answer.take_status();
    if (const auto failed = answer->find("failed"); failed != answer->end() && failed->is_string())
      return error(lhRemoteError, "{}", security::printable(failed->get<std::string>(), kMostText));
    return from_peer<Measured>((*answer)["measured"]);
  }

  Link examine_link(int i, int j) {
    Link link{.from = i, .to = j};
    say(prefix_ + "ports ...");
    auto up = sweep_from(i, j), down = sweep_from(j, i);
    if (!up.ok() || !down.ok()) {
      link.error = (up.ok() ? down : up).status().text();
      return link;
    }
    link.swept = true;
    link.up = std::move(*up);
    link.down = std::move(*down);
    if (link.up.address != Port::Open) {
      // The other end can measure as well.
      std::swap(link.from, link.to);
      std::swap(link.up, link.down);
    }
    if (link.up.address != Port::Open) {
      link.error = "neither of the two reaches the other's address";
      return link;
    }
    auto measured = measure_from(link.from, link.to);
    if (measured.ok())
      link.measured = std::move(*measured);
    else
      link.error = measured.status().text();
    return link;
  }

  void hand_out(const Report& report) {
    for (int site = 1; site < count(); ++site) send(site, {{"do", "report"}, {"report", report}});
    // Until they have it: they close.
    for (Member& one : members_) {
      if (!one.channel.valid()) continue;
      set_patience(one.channel, 10);
      (void)receive_message(one.channel);
    }
  }

  const Post& post_;
  const SiteOptions& options_;
  Meeting& meeting_;
  const Tell& tell_;
  std::vector<Member> members_;  // by site; the own one has no channel
  std::string prefix_;
};

}  // namespace

Result<Report> coordinate(const Post& post, const SiteOptions& options, Meeting* meeting, const Tell& tell) {
  return Coordinator(post, options, meeting, tell).run();
}

}  // namespace longhaul::doctor
