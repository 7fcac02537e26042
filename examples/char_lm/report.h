// SPDX-License-Identifier: Apache-2.0
// What the demo prints: the live line, the table at the end, and the same as JSON.
#pragma once

#include <string>
#include <vector>

#include "options.h"
#include "trainer.h"

namespace char_lm {

class Report {
 public:
  /// `speaker`: prints the table too. A rank that is neither speaker nor its site's rank 0 stays silent.
  Report(const Options& options, const Place& place, std::vector<std::string> site_names);

  void start(const Corpus& corpus, std::size_t parameters, std::size_t buckets) const;
  void step(const StepView& view) const;
  void finished(const RunResult& run) const;
  /// Table, hashes and verdict (global rank 0 only).
  void summary(const std::vector<RunResult>& runs) const;
  /// Throws Failure with the file's name when it cannot be written (global rank 0 only).
  void write_json(const std::vector<RunResult>& runs) const;

 private:
  std::string losses(const std::vector<float>& by_site) const;
  void row(const RunResult& run) const;

  const Options& options_;
  Place place_;
  std::vector<std::string> site_names_;
};

}  // namespace char_lm
