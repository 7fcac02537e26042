// SPDX-License-Identifier: Apache-2.0
// The command line of longhaul_char_lm. Where the other ranks are is not here: Longhaul reads that itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trainer.h"

namespace char_lm {

/// The link the result is judged against; it should say what wan.emulate_* (or the real link) is.
struct Link {
  double rtt_ms = 15;
  double rate_mbit = 1000;
  bool emulated = false;  ///< only how the report calls it
};

struct Options {
  TrainOptions train;
  std::vector<Codec> codecs{Codec::None, Codec::Bf16, Codec::I8};
  std::vector<std::string> texts;  ///< empty: default_texts()
  Link link;
  std::string result;      ///< JSON file; empty: none
  bool live_line = false;  ///< rewrite one line a step instead of printing some
};

/// nullopt: the program ends with *exit_code (--help or a mistake, already printed; only by one rank where `speak`).
std::optional<Options> parse_options(int argc, char** argv, bool speak, int* exit_code);

}  // namespace char_lm
