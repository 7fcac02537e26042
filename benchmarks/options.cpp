// SPDX-License-Identifier: Apache-2.0
// Command line to Options, with CLI11.
#include "benchmarks/options.h"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <sstream>

#include "benchmarks/types.h"

namespace longhaul::perf {
namespace {

constexpr const char* kDescription =
    "Measures lhAllReduce between sites: correctness, time, and how much of the WAN link it uses.\n"
    "\n"
    "Where the ranks come from:\n"
    "  no launcher              all ranks are threads of this process, the WAN is in memory (--sites, -g)\n"
    "  mpirun ... --sites N     the ranks of this launch become N sites on 127.0.0.1, over real endpoints\n"
    "  LONGHAUL_CONFIG (or LONGHAUL_SITES) with LONGHAUL_SITE set, and no --sites\n"
    "                           a real job: each launch is one site";
constexpr const char* kFooter =
    "Sizes take K, M, G (powers of 1024). Lists are separated by commas; 'all' is everything.\n"
    "LONGHAUL_* and UCX_* variables apply as in any Longhaul job; flags win over LONGHAUL_WAN.\n"
    "\n"
    "Exit status: 0 good, 1 wrong results, 2 wrong usage, 3 the library reported an error, 4 good, but no report or trace.\n"
    "\n"
    "Examples:\n"
    "  all_reduce_perf -b 8 -e 64M -f 8 --wan-rtt 15ms --wan-rate 1gbit --codec all\n"
    "  all_reduce_perf -b 8 -e 64K -f 2 -n 50 --wan-rtt 15ms            (latency)\n"
    "  all_reduce_perf -b 1M -e 1M --sites 3 -g 7 -d all -o all         (correctness)\n"
    "  all_reduce_perf -b 4K -e 64M -f 4 --codec all --wan-rtt 15ms --wan-rate 1gbit --report wan.html\n"
    "  mpirun -n 4 all_reduce_perf --sites 2 --wan-rate 1gbit --wan-rtt 15ms -b 64M -e 64M -J result.json";

// Texts as typed; turned into numbers by `finish`.
struct Texts {
  std::string min, max, step, ops = "sum", types = "float", codecs = "none";
  std::string wan, rtt, rate, loss, link_rtt, link_rate, pause, baseline;
};

void add_flags(CLI::App* app, Options* options, Texts* texts) {
  app->add_option("-b,--minbytes", texts->min, "smallest size (default 32M)");
  app->add_option("-e,--maxbytes", texts->max, "largest size (default 32M, or -b if that is larger)");
  app->add_option("-i,--stepbytes", texts->step, "add this much from size to size (default 1M)");
  app->add_option("-f,--stepfactor", options->step_factor, "multiply from size to size; wins over -i");
  app->add_option("-n,--iters", options->iterations, "timed calls of each size (default 20)")
      ->check(CLI::Range(1, 1'000'000));
  app->add_option("-w,--warmup_iters", options->warmup, "calls before them (default 1)")
      ->check(CLI::Range(0, 1'000'000));
  app->add_option("--pause", texts->pause, "all ranks idle this long before every timed call (default 0): 10s shows what cold connections cost");
  app->add_option("-a,--average", options->across, "time of a call: 0 rank 0's, 1 mean of all ranks, 2 min, 3 max (default 1)")
      ->check(CLI::Range(0, 3));
  app->add_option("-c,--check", options->checks, "verified calls of each size; 0: none (default 1)")
      ->check(CLI::Range(0, 1000));
  app->add_option("-o,--op", texts->ops, "sum, prod, max, min, avg, a list, or all (default sum)");
  app->add_option(
      "-d,--datatype", texts->types,
      "int8, uint8, int32, uint32, int64, uint64, half, float, double, bfloat16, a list, or all (default float)");
  app->add_option("-g,--ranks", options->ranks, "ranks in this process, over all sites (default 2 per site)")
      ->check(CLI::Range(1, 4096));
  app->add_option("-J,--output_file", options->json_file, "also write the results to this file as JSON");
  app->add_option("--report", options->report_file,
                  "also write charts of the results and of one call's pipeline: FILE.html or FILE.png (needs python3 with "
                  "matplotlib); keeps FILE.result.json and FILE.trace.json");
  app->add_option("--trace", options->trace_file,
                  "also write what every chunk did when, all ranks in one FILE.json, for ui.perfetto.dev");
  const std::string wan = "Sites and WAN";
  app->add_option("--device", options->device,
                  "buffers on GPUs: each rank on one of its machine, from this number on and counted round them: rank r of this process, or "
                  "the launcher's local rank, on the r-th (default -1: host memory)")
      ->check(CLI::Range(-1, 1023));
  app->add_option("--baseline", texts->baseline,
                  "nccl: after each call the same by one ncclAllReduce over all ranks of all sites, in columns beside it (with --device)")
      ->check(CLI::IsMember({"nccl"}));
  app->add_option("--sites", options->sites, "split the ranks into this many sites (default 2)")
      ->check(CLI::Range(1, 8))
      ->group(wan);
  app->add_option("--codec", texts->codecs,
                  "none, bf16, i8, r4, f4, r2, lossless, default (what the configuration says), a list, or all (default none)")
      ->group(wan);
  app->add_option("--wan-rtt", texts->rtt, "emulate this round trip between sites, e.g. 15ms")->group(wan);
  app->add_option("--wan-rate", texts->rate, "emulate this rate of each directed link, e.g. 1gbit")->group(wan);
  app->add_option("--wan-loss", texts->loss, "emulate this loss, e.g. 0.001 or 0.1%")->group(wan);
  app->add_option("--wan", texts->wan, "further keys of the wan string, e.g. streams=4,timeout=20s")->group(wan);
  app->add_option("--link-rtt", texts->link_rtt, "round trip of the real link: for L, emulates nothing")->group(wan);
  app->add_option("--link-rate", texts->link_rate, "rate of the real link: for link% and L, emulates nothing")
      ->group(wan);
}

// The parse of one text; on failure the error to print.
template <typename T>
std::string take(std::optional<T> value, const std::string& text, const char* flag, const char* example, T* out) {
  if (!value) return std::string(flag) + " '" + text + "' is not understood; write it like " + example;
  *out = *value;
  return "";
}

template <typename T>
std::string take_list(std::optional<T> values, const std::string& unknown, const char* flag, T* out) {
  if (!values) return std::string(flag) + ": unknown word '" + unknown + "'; see all_reduce_perf -h for the list";
  *out = *values;
  return "";
}

std::string finish_sizes(const Texts& texts, Options* options) {
  const std::pair<const std::string*, std::uint64_t*> sizes[] = {
      {&texts.min, &options->min_bytes}, {&texts.max, &options->max_bytes}, {&texts.step, &options->step_bytes}};
  const char* const flags[] = {"-b", "-e", "-i"};
  for (int i = 0; i < 3; ++i) {
    if (sizes[i].first->empty()) continue;
    std::string error = take(parse_size(*sizes[i].first), *sizes[i].first, flags[i], "64M", sizes[i].second);
    if (!error.empty()) return error;
  }
  if (texts.max.empty()) options->max_bytes = std::max(options->max_bytes, options->min_bytes);
  if (texts.min.empty()) options->min_bytes = std::min(options->max_bytes, options->min_bytes);
  if (options->min_bytes > options->max_bytes) return "-b is larger than -e: no size lies between them";
  if (!(options->step_factor >= 1)) return "-f must be 1 or more (1: use -i)";
  if (options->step_factor == 1 && options->step_bytes == 0) return "-i 0 would never reach -e; give -i or -f";
  return "";
}

std::string finish_lists(const Texts& texts, Options* options) {
  std::string unknown;
  std::string error = take_list(parse_ops(texts.ops, &unknown), unknown, "-o", &options->ops);
  if (error.empty()) error = take_list(parse_types(texts.types, &unknown), unknown, "-d", &options->types);
  if (error.empty()) error = take_list(parse_codecs(texts.codecs, &unknown), unknown, "--codec", &options->codecs);
  return error;
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? std::optional<std::string>(value) : std::nullopt;
}

// What the library will really use: a LONGHAUL_WAN_<KEY> variable wins over the string.
std::optional<std::string> effective_wan(const WanKeys& keys, const char* key, const char* environment) {
  auto value = variable(environment);
  return value ? value : find_wan_key(keys, key);
}

std::string finish_pause(const Texts& texts, Options* options) {
  if (texts.pause.empty()) return "";
  return take(parse_duration(texts.pause), texts.pause, "--pause", "10s", &options->pause_s);
}

std::string finish_baseline(const Texts& texts, Options* options) {
  options->flat_nccl = !texts.baseline.empty();
  if (!options->flat_nccl || options->device >= 0) return "";
  return "--baseline nccl needs --device: NCCL works on GPU memory only";
}

std::string finish_link(const Texts& texts, Options* options) {
  Link& link = options->link;
  double number = 0;
  const auto emulated_rtt = effective_wan(options->wan, "emulate_rtt", "LONGHAUL_WAN_EMULATE_RTT");
  const auto emulated_rate = effective_wan(options->wan, "emulate_rate", "LONGHAUL_WAN_EMULATE_RATE");
  options->link_is_emulated = emulated_rtt || emulated_rate;
  const std::string rtt = !texts.link_rtt.empty() ? texts.link_rtt : emulated_rtt.value_or("");
  const std::string rate = !texts.link_rate.empty() ? texts.link_rate : emulated_rate.value_or("");
  if (!rtt.empty()) {
    if (std::string e = take(parse_duration(rtt), rtt, "round trip", "15ms", &number); !e.empty()) return e;
    link.rtt_s = number;
  }
  if (!rate.empty()) {
    if (std::string e = take(parse_rate(rate), rate, "rate", "1gbit", &number); !e.empty()) return e;
    if (number > 0) link.bits_per_s = number;
  }
  return "";
}

std::string finish_wan(const Texts& texts, Options* options) {
  options->wan = parse_wan(variable("LONGHAUL_WAN").value_or(""));
  for (const auto& [key, value] : parse_wan(texts.wan)) set_wan_key(&options->wan, key, value);
  if (!texts.rtt.empty()) set_wan_key(&options->wan, "emulate_rtt", texts.rtt);
  if (!texts.rate.empty()) set_wan_key(&options->wan, "emulate_rate", texts.rate);
  if (!texts.loss.empty()) {
    double loss = 0;
    if (std::string e = take(parse_probability(texts.loss), texts.loss, "--wan-loss", "0.001", &loss); !e.empty()) {
      return e;
    }
    std::ostringstream text;
    text << loss;
    set_wan_key(&options->wan, "emulate_loss", text.str());
  }
  return finish_link(texts, options);
}

std::string finish_files(Options* options) {
  const std::filesystem::path report = options->report_file, trace = options->trace_file;
  if (!report.empty() && report.extension() != ".html" && report.extension() != ".png") {
    return "--report '" + report.string() + "': the name must end with .html (a page) or .png (a picture)";
  }
  if (!trace.empty() && trace.extension() != ".json") {
    return "--trace '" + trace.string() + "': the name must end with .json";
  }
  const bool same = !trace.empty() && options->trace_file == options->json_file;
  if (same) return "-J and --trace name the same file: give each its own";
  if (report.empty()) return "";
  // What the report is made from stays beside it, so that it can be made again, or differently.
  const std::string stem = (report.parent_path() / report.stem()).string();
  if (options->trace_file.empty()) options->trace_file = stem + ".trace.json";
  if (options->json_file.empty()) options->json_file = stem + ".result.json";
  return "";
}

std::string finish(const Texts& texts, Options* options) {
  std::string error = finish_sizes(texts, options);
  if (error.empty()) error = finish_files(options);
  if (error.empty()) error = finish_lists(texts, options);
  if (error.empty()) error = finish_pause(texts, options);
  if (error.empty()) error = finish_baseline(texts, options);
  if (error.empty()) error = finish_wan(texts, options);
  const int sites = options->sites ? options->sites : 2;
  if (error.empty() && options->ranks > 0 && options->ranks < sites) {
    error = "-g " + std::to_string(options->ranks) + " ranks cannot fill " + std::to_string(sites) +
            " sites: give -g at least the number of --sites";
  }
  return error;
}

}  // namespace

Parsed parse_options(int argc, const char* const* argv) {
  Parsed parsed;
  Texts texts;
  for (int i = 0; i < argc; ++i) parsed.options.command_line += (i ? " " : "") + std::string(argv[i]);
  CLI::App app(kDescription, "all_reduce_perf");
  app.footer(kFooter);
  app.get_formatter()->column_width(30);
  int version = 0;
  static_cast<void>(lhGetVersion(&version));
  app.set_version_flag("-V,--version", std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
                                           "." + std::to_string(version % 100));
  add_flags(&app, &parsed.options, &texts);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out, err;
    parsed.exit_status = app.exit(error, out, err) == 0 ? 0 : 2;
    parsed.text = out.str() + err.str();
    return parsed;
  }
  const std::string error = finish(texts, &parsed.options);
  parsed.run = error.empty();
  parsed.exit_status = parsed.run ? 0 : 2;
  parsed.text = parsed.run ? "" : "all_reduce_perf: " + error + "\n";
  return parsed;
}

}  // namespace longhaul::perf
