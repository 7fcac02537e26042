// SPDX-License-Identifier: Apache-2.0
#include "emulate/settings.h"

#include "config/units.h"

namespace longhaul::emulate {
namespace {

template <typename T, typename Field>
Status store(Result<T> value, Field* field) {
  if (!value.ok()) return value.take_status();
  *field = static_cast<Field>(*value);
  return {};
}

Status set_rtt(PathSettings* s, std::string_view text) {
  if (Status status = store(config::parse_duration(text), &s->delay); !status.ok()) return status;
  s->delay /= 2;
  return {};
}

Status set_burst(PathSettings* s, std::string_view text) {
  Result<int> packets = config::parse_int(text, 1, 100000);
  return store(std::move(packets), &s->burst);
}

Status set_up(PathSettings* s, std::string_view text) {
  if (text != "up" && text != "down") return error(lhInvalidArgument, "'{}' is neither up nor down", text);
  s->up = text == "up";
  return {};
}

/// "10s+5s" or "10s+5s/60s": start, length, period; several separated by commas; "none".
Status set_outages(PathSettings* s, std::string_view text) {
  std::vector<Outage> outages;
  while (!text.empty() && text != "none") {
    const std::string_view one = text.substr(0, text.find(','));
    text = one.size() == text.size() ? std::string_view() : text.substr(one.size() + 1);
    const std::size_t plus = one.find('+'), slash = one.find('/');
    if (plus == std::string_view::npos || (slash != std::string_view::npos && slash < plus))
      return error(lhInvalidArgument, "'{}' is no outage: write start+length or start+length/period, e.g. 10s+5s/60s", one);
    Outage outage;
    const std::string_view length = one.substr(plus + 1, slash == std::string_view::npos ? slash : slash - plus - 1);
    if (Status status = store(config::parse_duration(one.substr(0, plus)), &outage.start); !status.ok()) return status;
    if (Status status = store(config::parse_duration(length), &outage.length); !status.ok()) return status;
    if (slash != std::string_view::npos)
      if (Status status = store(config::parse_duration(one.substr(slash + 1)), &outage.period); !status.ok()) return status;
    if (outage.period > 0 && outage.period <= outage.length)
      return error(lhInvalidArgument, "'{}': the period must be longer than the outage", one);
    outages.push_back(outage);
  }
  s->outages = std::move(outages);
  return {};
}

std::string outages_text(const PathSettings& s) {
  std::string text;
  for (const Outage& outage : s.outages) {
    text += fmt::format("{}{}+{}", text.empty() ? "" : ",", config::duration_text(outage.start),
                        config::duration_text(outage.length));
    if (outage.period > 0) text += "/" + config::duration_text(outage.period);
  }
  return text.empty() ? "none" : text;
}

}  // namespace

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> settings = {
      {"rtt", "TIME", "round-trip time: half of it each way", set_rtt, nullptr},
      {"delay", "TIME", "one-way delay", [](PathSettings* s, std::string_view t) { return store(config::parse_duration(t), &s->delay); },
       [](const PathSettings& s) { return config::duration_text(s.delay); }},
      {"jitter", "TIME", "random extra delay, without reordering",
       [](PathSettings* s, std::string_view t) { return store(config::parse_duration(t), &s->jitter); },
       [](const PathSettings& s) { return config::duration_text(s.jitter); }},
      {"rate", "RATE", "bits a second of Ethernet frames each way; 0: unlimited",
       [](PathSettings* s, std::string_view t) { return store(config::parse_rate(t), &s->rate); },
       [](const PathSettings& s) { return config::rate_text(s.rate); }},
      {"queue", "BYTES", "queue before the wire, tail drop; 0: two round trips at the rate, at least 1 MiB",
       [](PathSettings* s, std::string_view t) { return store(config::parse_bytes(t), &s->queue_bytes); },
       [](const PathSettings& s) { return fmt::format("{}", s.queue_limit()); }},
      {"loss", "SHARE", "share of packets lost, 0 to 1",
       [](PathSettings* s, std::string_view t) { return store(config::parse_probability(t), &s->loss); },
       [](const PathSettings& s) { return fmt::format("{}", s.loss); }},
      {"burst", "N", "mean number of packets lost in a row", set_burst,
       [](const PathSettings& s) { return fmt::format("{}", s.burst); }},
      {"reorder", "SHARE", "share of packets held back a millisecond (or the jitter), so that later ones overtake",
       [](PathSettings* s, std::string_view t) { return store(config::parse_probability(t), &s->reorder); },
       [](const PathSettings& s) { return fmt::format("{}", s.reorder); }},
      {"outage", "PLAN", "start+length[/period] after the start of the emulator, comma-separated, e.g. 10s+5s/60s", set_outages,
       outages_text},
      {"link", "up|down", "cuts or mends the link", set_up, [](const PathSettings& s) { return std::string(s.up ? "up" : "down"); }},
  };
  return settings;
}

Status apply_setting(PathSettings* settings, std::string_view name, std::string_view text) {
  for (const Setting& setting : all_settings())
    if (setting.name == name) return setting.apply(settings, text).with(fmt::format("{}", name));
  return error(lhInvalidArgument, "the emulator has no setting '{}'", name);
}

}  // namespace longhaul::emulate
