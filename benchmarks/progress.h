// SPDX-License-Identifier: Apache-2.0
// One line of progress on stderr for runs long enough to make people wonder: redrawn on a terminal, else every 5 s.
// Rank 0 only. Never touches stdout.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace longhaul::perf {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  /// `total_work`: sum of call_work() over all calls of the run. `write` receives finished text.
  Progress(double total_work, bool terminal, std::function<void(const std::string&)> write, Clock::time_point start);

  /// Weight of one call: its bytes and a share for latency.
  static double call_work(std::uint64_t bytes) { return static_cast<double>(bytes) + 64 * 1024; }

  void begin_row(std::string label) { label_ = std::move(label); }
  /// After each call; prints only when something is due.
  void call_done(std::uint64_t bytes, int iteration, int iterations, Clock::time_point now);
  /// Removes the line before a row is printed.
  void clear();

 private:
  double total_work_;
  double done_work_ = 0;
  bool terminal_;
  bool shown_ = false;
  std::function<void(const std::string&)> write_;
  Clock::time_point start_;
  Clock::time_point due_;
  std::string label_;
};

}  // namespace longhaul::perf
