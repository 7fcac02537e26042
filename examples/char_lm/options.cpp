// SPDX-License-Identifier: Apache-2.0
// Command line by CLI11.
#include "options.h"

#include <CLI/CLI.hpp>
#include <map>

namespace char_lm {

std::optional<Options> parse_options(int argc, char** argv, bool speak, int* exit_code) {
  Options options;
  CLI::App app("Trains a small character language model data-parallel over all ranks of all sites, once a codec.",
               "longhaul_char_lm");
  std::map<std::string, Codec> codecs;
  for (const CodecRow& row : kCodecs) codecs[row.name] = row.codec;
  app.add_option("--steps", options.train.steps, "training steps a codec")->check(CLI::Range(1, 100000));
  app.add_option("--batch", options.train.batch, "examples a rank and step")->check(CLI::Range(1, 4096));
  app.add_option("--learning-rate", options.train.learning_rate, "peak rate of Adam")->check(CLI::Range(1e-6, 1.0));
  app.add_option("--seed", options.train.seed, "start of parameters and examples");
  app.add_option("--timing-rounds", options.train.timing_rounds, "all-reduces timed without computing")
      ->check(CLI::Range(1, 1000));
  app.add_option("--codecs", options.codecs, "what to compare, e.g. none,i8,r2+ef (ef: with error feedback)")
      ->delimiter(',')
      ->transform(CLI::CheckedTransformer(codecs));
  app.add_option("--text", options.texts, "text files to learn (default: licences in /usr/share/common-licenses)");
  app.add_option("--rtt-ms", options.link.rtt_ms, "round trip of the WAN, for the report")->check(CLI::Range(0.0, 1e5));
  app.add_option("--rate-mbit", options.link.rate_mbit, "rate of the WAN, for the report")->check(CLI::Range(0.1, 1e7));
  app.add_flag("--emulated", options.link.emulated, "call the WAN emulated in the report");
  app.add_option("--result", options.result, "JSON file to write");
  app.add_flag("--live-line", options.live_line, "rewrite one line a step (for a terminal)");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& problem) {
    *exit_code = speak ? app.exit(problem) : problem.get_exit_code();
    return std::nullopt;
  }
  if (options.texts.empty()) options.texts = default_texts();
  return options;
}

}  // namespace char_lm
