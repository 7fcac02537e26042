// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/progress.h"

#include <fmt/format.h>

namespace longhaul::perf {
namespace {

using namespace std::chrono_literals;

std::string duration_text(double seconds) {
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

}  // namespace

Progress::Progress(double total_work, bool terminal, std::function<void(const std::string&)> write,
                   Clock::time_point start)
    : total_work_(total_work),
      terminal_(terminal),
      write_(std::move(write)),
      start_(start),
      due_(start + (terminal ? Clock::duration(1s) : Clock::duration(5s))) {}

void Progress::call_done(std::uint64_t bytes, int iteration, int iterations, Clock::time_point now) {
  done_work_ += call_work(bytes);
  if (now < due_) return;
  due_ = now + (terminal_ ? Clock::duration(250ms) : Clock::duration(5s));
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = std::max(0.0, elapsed * (total_work_ / done_work_ - 1));
  const std::string text =
      fmt::format("{}: call {} of {}, about {} left", label_, iteration, iterations, duration_text(left));
  write_(terminal_ ? "\r\033[K" + text : text + "\n");
  shown_ = true;
}

void Progress::clear() {
  if (terminal_ && shown_) write_("\r\033[K");
  shown_ = false;
}

}  // namespace longhaul::perf
