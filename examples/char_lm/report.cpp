// SPDX-License-Identifier: Apache-2.0
// Printing. Rank 0 of the first site speaks for the job; rank 0 of another site keeps a plain log of what it sees.
#include "report.h"

#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "verdict.h"

namespace char_lm {
namespace {

constexpr int kPlainEvery = 5;  // steps between two lines where nothing can be rewritten
constexpr double kMega = 1e6;

template <typename... Args>
void say(fmt::format_string<Args...> format, Args&&... args) {
  fmt::print(format, std::forward<Args>(args)...);
  std::fflush(stdout);  // mpirun forwards a pipe
}

}  // namespace

Report::Report(const Options& options, const Place& place, std::vector<std::string> site_names)
    : options_(options), place_(place), site_names_(std::move(site_names)) {}

std::string Report::losses(const std::vector<float>& by_site) const {
  std::string text;
  for (std::size_t i = 0; i < by_site.size(); ++i) text += fmt::format(" {} {:.3f}", site_names_[i], by_site[i]);
  return text;
}

void Report::start(const Corpus& corpus, std::size_t parameters, std::size_t buckets) const {
  if (place_.site_rank != 0) return;
  say("connected: {} ranks at {} sites; {:.2f} M parameters, {:.1f} MB of fp32 gradient in {} buckets, {} characters "
      "to learn, {} held out\n",
      place_.ranks, site_names_.size(), static_cast<double>(parameters) / kMega,
      static_cast<double>(parameters) * 4 / kMega, buckets, corpus.train.size(), corpus.held_out.size());
}

void Report::step(const StepView& view) const {
  if (place_.site_rank != 0) return;
  const bool live = options_.live_line && place_.rank == 0;
  const bool due = view.step == 1 || view.step == view.steps || view.step % kPlainEvery == 0;
  if (!live && !due) return;
  say("{}[{}] step {}/{}  loss{}  {:.2f} s/step  WAN {:.0f} % of the step{}", live ? "\r" : "", name_of(view.codec),
      view.step, view.steps, losses(view.site_loss), view.seconds, view.wait_share * 100, live ? "\x1b[K" : "\n");
}

void Report::finished(const RunResult& run) const {
  if (place_.site_rank != 0) return;
  const bool live = options_.live_line && place_.rank == 0;
  say("{}[{}] done: held-out loss{}\n", live ? "\n" : "", name_of(run.codec), losses(run.held_out_loss));
}

void Report::row(const RunResult& run) const {
  const double limit = physical_limit(run, options_.link);
  std::string loss;
  for (const float value : run.held_out_loss) loss += fmt::format("{:>11.4f}", value);
  say("{:<6}{}{:>9.3f}{:>7.0f} %{:>10.2f}{:>7.2f}{:>10.1f}{:>8.1f}{:>7.2f}x{:>7.0f} %\n", name_of(run.codec), loss,
      run.step_seconds, run.wait_share * 100, run.wire_per_step / kMega, ratio(run), run.exchange_seconds * 1e3,
      limit * 1e3, run.exchange_seconds / limit, link_share(run, options_.link) * 100);
}

void Report::summary(const std::vector<RunResult>& runs) const {
  if (place_.rank != 0) return;
  std::string sites;
  for (const std::string& name : site_names_) sites += fmt::format("{:>11.10}", name);
  say("\n{:<6}{:>{}}\n", "", "held-out loss at", static_cast<int>(11 * site_names_.size()));
  say("{:<6}{}{:>9}{:>9}{:>10}{:>7}{:>10}{:>8}{:>8}{:>9}\n", "codec", sites, "s/step", "WAN wait", "wire MB", "ratio",
      "exch ms", "limit", "time", "link");
  for (const RunResult& run : runs) row(run);
  say("\n  s/step, WAN wait: median step, and the part of it spent only waiting for averaged gradients.\n"
      "  wire MB: sent over the WAN by {} a step, protocol included; ratio: fp32 bytes to wire bytes.\n"
      "  exch ms: median of {} all-reduces of the whole gradient without computing; limit: encoded bytes at 95 % of\n"
      "  {:g} Gbit/s plus half of {:g} ms; time: the one over the other; link: wire rate as a share of the link.\n\n",
      site_names_[static_cast<std::size_t>(place_.site)], options_.train.timing_rounds, options_.link.rate_mbit / 1000,
      options_.link.rtt_ms);
  for (const RunResult& run : runs) {
    std::string hashes;
    for (const std::uint64_t hash : run.parameter_hash) hashes += fmt::format(" {:016x}", hash);
    say("parameters {:<5}{}  {}\n", name_of(run.codec), hashes, run.identical() ? "identical" : "DIFFERENT");
  }
  say("\n{}\n", verdict(runs, options_.link));
}

void Report::write_json(const std::vector<RunResult>& runs) const {
  if (place_.rank != 0 || options_.result.empty()) return;
  nlohmann::json json{{"sites", site_names_},
                      {"ranks", place_.ranks},
                      {"steps", options_.train.steps},
                      {"batch_per_rank", options_.train.batch},
                      {"rtt_ms", options_.link.rtt_ms},
                      {"rate_mbit", options_.link.rate_mbit},
                      {"emulated", options_.link.emulated},
                      {"verdict", verdict(runs, options_.link)},
                      {"runs", nlohmann::json::array()}};
  for (const RunResult& run : runs) {
    std::vector<std::string> hashes;
    for (const std::uint64_t hash : run.parameter_hash) hashes.push_back(fmt::format("{:016x}", hash));
    json["runs"].push_back({{"codec", name_of(run.codec)},
                            {"first_loss", run.first_loss},
                            {"held_out_loss", run.held_out_loss},
                            {"step_seconds", run.step_seconds},
                            {"step_seconds_error", run.step_error},
                            {"wan_wait_share", run.wait_share},
                            {"payload_bytes_per_step", run.payload_per_step},
                            {"wire_bytes_per_step", run.wire_per_step},
                            {"ratio", ratio(run)},
                            {"gradient_values", run.gradient_values},
                            {"exchange_seconds", run.exchange_seconds},
                            {"exchange_wire_bytes", run.exchange_wire},
                            {"limit_seconds", physical_limit(run, options_.link)},
                            {"link_share", link_share(run, options_.link)},
                            {"parameter_hashes", hashes},
                            {"identical", run.identical()}});
  }
  std::ofstream file(options_.result);
  file << json.dump(2) << '\n';
  file.close();
  if (!file) throw Failure("cannot write the result to '" + options_.result + "'");
}

}  // namespace char_lm
