// SPDX-License-Identifier: Apache-2.0
// The table of nccl-tests with the WAN columns after it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "benchmarks/report.h"
#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

// Three significant digits or more in a narrow column.
std::string number(double value) {
  if (value >= 1000) return fmt::format("{:.0f}", value);
  if (value >= 100) return fmt::format("{:.1f}", value);
  if (value >= 1 || value == 0) return fmt::format("{:.2f}", value);
  return value >= 0.01 ? fmt::format("{:.3f}", value) : fmt::format("{:.1e}", value);
}

std::string number(const std::optional<double>& value) { return value ? number(*value) : "N/A"; }

std::string half_text(const Half& half) {
  const std::string wrong = half.wrong ? std::to_string(*half.wrong) : "N/A";
  return fmt::format("  {:>9}  {:>6}  {:>6}  {:>6}", number(half.time_us.median), number(half.algbw),
                     number(half.busbw), wrong);
}

std::string flat_text(const std::optional<FlatNcclRow>& flat) {
  if (!flat) return "";
  const Half& half = flat->out_of_place;
  return fmt::format("  {:>9}  {:>6}  {:>6}  {:>6}", number(half.time_us.median), number(half.algbw),
                     number(half.busbw), number(flat->time_ratio));
}

std::string site_list(const RunInfo& run) {
  std::string text;
  for (int site = 0; site < run.sites; ++site) {
    const auto ranks =
        std::count_if(run.ranks.begin(), run.ranks.end(), [&](const RankInfo& rank) { return rank.site == site; });
    text += fmt::format("{}{}", site ? " + " : "", ranks);
  }
  return text;
}

std::string link_text(const Link& link) {
  const std::string rate = link.bits_per_s ? fmt::format("{:g} Gb/s", *link.bits_per_s * 1e-9) : "rate unknown";
  const std::string rtt = link.rtt_s ? fmt::format("rtt {:g} ms", *link.rtt_s * 1e3) : "rtt unknown";
  return rate + ", " + rtt;
}

std::string legend(const Options& options) {
  std::string text;
  const std::string wan = wan_text(options.wan);
  text += fmt::format("# WAN: {}; link between two sites, each direction: {}{}\n", wan.empty() ? "as configured" : wan,
                      link_text(options.link), options.link_is_emulated ? " (emulated)" : "");
  constexpr const char* kAcross[] = {"rank 0", "the mean over the ranks", "the fastest rank", "the slowest rank"};
  text += fmt::format("# time: median over the iterations of {} (-a).\n", kAcross[options.across]);
  text +=
      "# L: time of a perfect program on a TCP link: payload bytes in one direction after the codec / (0.95 x rate) + "
      "rtt/2;\n"
      "#    of L = L / time (up to 1.05 where an emulated link charges no packet headers). N/A: say --wan-rate, "
      "--wan-rtt\n"
      "#    (emulated) or --link-rate, --link-rtt (real link).\n"
      "# wire B: bytes per call on the busiest directed link, frames and resent bytes included; ratio = size / wire "
      "B;\n"
      "#    wan Gb/s = wire B / time; link% = wan Gb/s of the link's rate. max err: relative to the largest "
      "|reference|.\n"
      "# busbw is size / time x 2(n-1)/n as in nccl-tests, kept for familiarity: it is not the use of the link.\n";
  if (options.device >= 0)
    text += options.trace_file.empty()
                ? "# What the GPUs do in a call, and what limits it, is measured with --trace or --report.\n"
                : "# GPU ms: how long a GPU is in each phase of an out-of-place call, where it takes longest; limit: "
                  "the busiest of GPU streams and link.\n";
  if (options.flat_nccl)
    text +=
        "# flat NCCL: one ncclAllReduce over all ranks, called after each of Longhaul's calls; x ours: its time / "
        "Longhaul's, above 1: Longhaul is "
        "faster.\n"
        "#    It has no codec, and crosses between sites by NCCL's own network: an emulated WAN (--wan-rtt, "
        "--wan-rate) does not slow it.\n";
  return text;
}

}  // namespace

Totals totals(const std::vector<Row>& rows) {
  Totals sum;
  for (const Row& row : rows) {
    sum.wrong += row.out_of_place.wrong.value_or(0) + row.in_place.wrong.value_or(0);
    if (row.flat_nccl)
      sum.wrong += row.flat_nccl->out_of_place.wrong.value_or(0) + row.flat_nccl->in_place.wrong.value_or(0);
    sum.average_busbw += row.out_of_place.busbw + row.in_place.busbw;
  }
  if (!rows.empty()) sum.average_busbw /= 2 * static_cast<double>(rows.size());
  return sum;
}

std::string header_text(const Options& options, const RunInfo& run) {
  std::string text = fmt::format("# longhaul {}.{}.{}\n# Collective test starting: all_reduce_perf\n",
                                 run.version / 10000, run.version / 100 % 100, run.version % 100);
  const std::string step = options.step_factor > 1 ? fmt::format("{:g}(factor)", options.step_factor)
                                                   : fmt::format("{}(bytes)", options.step_bytes);
  text += fmt::format(
      "# nRanks {} nSites {} ({}) minBytes {} maxBytes {} step: {} warmup iters: {} iters: {} validation: {}\n",
      run.ranks.size(), run.sites, site_list(run), options.min_bytes, options.max_bytes, step, options.warmup,
      options.iterations, options.checks);
  text += fmt::format("#\n# Using ranks ({})\n", run.mode);
  for (std::size_t i = 0; i < run.ranks.size(); ++i) {
    const RankInfo& rank = run.ranks[i];
    text +=
        fmt::format("#  Rank {:>2} Site {:>2} SiteRank {:>2} Pid {:>6} on {:>10} {}\n", i, rank.site, rank.site_rank,
                    rank.pid, rank.host.data(), rank.device < 0 ? "host memory" : fmt::format("GPU {}", rank.device));
  }
  text += "#\n" + legend(options) + "#\n";
  text += fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>8}  {:^33}  {:^33}  {:^68}{}\n", "", "", "", "", "",
                      "out-of-place", "in-place", "WAN, out-of-place",
                      options.flat_nccl ? fmt::format("  {:^33}", "flat NCCL, out-of-place") : "");
  const std::string half = fmt::format("  {:>9}  {:>6}  {:>6}  {:>6}", "time", "algbw", "busbw", "#wrong");
  const std::string flat = fmt::format("  {:>9}  {:>6}  {:>6}  {:>6}", "time", "algbw", "busbw", "x ours");
  text += fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>8}{}{}  {:>12}  {:>6}  {:>8}  {:>6}  {:>8}  {:>9}  {:>6}{}\n",
                      "size", "count", "type", "redop", "codec", half, half, "wire B", "ratio", "wan Gb/s", "link%",
                      "max err", "L", "of L", options.flat_nccl ? flat : "");
  const std::string units = fmt::format("  {:>9}  {:>6}  {:>6}  {:>6}", "(us)", "(GB/s)", "(GB/s)", "");
  text += fmt::format("# {:>10}  {:>12}  {:>8}  {:>6}  {:>8}{}{}  {:>12}  {:>6}  {:>8}  {:>6}  {:>8}  {:>9}  {:>6}{}\n",
                      "(B)", "(elements)", "", "", "", units, units, "(B)", "", "", "(%)", "", "(ms)", "",
                      options.flat_nccl ? units : "");
  return text;
}

std::string row_text(const Row& row) {
  std::string text =
      fmt::format("{:>12}  {:>12}  {:>8}  {:>6}  {:>8}", row.size, row.count, row.type, row.op, row.codec);
  text += half_text(row.out_of_place) + half_text(row.in_place);
  const std::string percent = row.link_percent ? fmt::format("{:.1f}", *row.link_percent) : "N/A";
  const std::string error = row.max_error ? fmt::format("{:.1e}", *row.max_error) : "N/A";
  const std::string of_limit = row.of_limit ? fmt::format("{:.3f}", *row.of_limit) : "N/A";
  text += fmt::format("  {:>12.0f}  {:>6}  {:>8}  {:>6}  {:>8}  {:>9}  {:>6}{}\n", row.wire_bytes, number(row.ratio),
                      number(row.wan_gbps), percent, error, number(row.limit_ms), of_limit, flat_text(row.flat_nccl));
  if (row.gpu) text += "#   " + phases_text(*row.gpu) + "\n";
  for (const std::string& note : row.notes) text += "#   " + note + "\n";
  return text;
}

std::string footer_text(const Totals& totals) {
  return fmt::format(
      "# Out of bounds values : {} {}\n# Avg bus bandwidth    : {:g}\n#\n# Collective test concluded: "
      "all_reduce_perf\n",
      totals.wrong, totals.wrong ? "FAILED" : "OK", totals.average_busbw);
}

}  // namespace longhaul::perf
