// SPDX-License-Identifier: Apache-2.0
// From numbers to words.
#include "verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace char_lm {
namespace {

/// Differences below these are called equal (chosen, not measured); the spread of the steps can widen the first.
constexpr double kEqualTime = 0.03;
constexpr double kEqualLoss = 0.01;

std::string time_phrase(const RunResult& exact, const RunResult& coded) {
  const double before = exact.step_seconds;
  const double after = coded.step_seconds;
  const std::string numbers = fmt::format("({:.2f} against {:.2f} s)", after, before);
  const double noise = std::max(kEqualTime * before, 2 * std::hypot(exact.step_error, coded.step_error));
  if (std::abs(after - before) <= noise) return "made no clear difference to the time of a step " + numbers;
  if (after > before) return "made a step slower, not faster, " + numbers;
  return fmt::format("cut a step from {:.2f} to {:.2f} s", before, after);
}

std::string loss_phrase(double exact, double coded) {
  const std::string numbers = fmt::format("({:.3f} against {:.3f})", coded, exact);
  if (!std::isfinite(exact) || !std::isfinite(coded)) return "but the training did not converge " + numbers;
  if (std::abs(coded - exact) <= kEqualLoss * exact) return "with a held-out loss within 1 % " + numbers;
  return (coded > exact ? "at the price of a higher held-out loss " : "with a lower held-out loss ") + numbers;
}

}  // namespace

double physical_limit(const RunResult& run, const Link& link) {
  const double bits = run.gradient_values * bits_of(run.codec);
  return bits / (link.rate_mbit * 1e6 * 0.95) + link.rtt_ms / 2e3;
}

double link_share(const RunResult& run, const Link& link) {
  if (run.exchange_seconds <= 0) return 0;
  return run.exchange_wire * 8 / run.exchange_seconds / (link.rate_mbit * 1e6);
}

double ratio(const RunResult& run) { return run.wire_per_step > 0 ? run.payload_per_step / run.wire_per_step : 0; }

std::string verdict(const std::vector<RunResult>& runs, const Link& link) {
  const bool identical = std::all_of(runs.begin(), runs.end(), [](const RunResult& run) { return run.identical(); });
  const std::size_t ranks = runs.empty() ? 0 : runs.front().parameter_hash.size();
  const std::string replicas = identical ? fmt::format("all {} ranks hold bit-identical parameters.", ranks)
                                         : fmt::format("BUT THE {} RANKS DO NOT HOLD THE SAME PARAMETERS.", ranks);
  const auto exact =
      std::find_if(runs.begin(), runs.end(), [](const RunResult& run) { return run.codec == Codec::None; });
  const auto coded = std::min_element(runs.begin(), runs.end(), [](const RunResult& a, const RunResult& b) {
    return bits_of(a.codec) < bits_of(b.codec);
  });
  if (exact == runs.end() || coded == exact) return replicas;
  const double fewer = coded->wire_per_step > 0 ? exact->wire_per_step / coded->wire_per_step : 0;
  return fmt::format(
      "{} moved {:.1f}x fewer bytes over the {}{:g} ms / {:g} Gbit/s WAN than exact fp32, {}, {}; {}",
      name_of(coded->codec), fewer, link.emulated ? "emulated " : "", link.rtt_ms, link.rate_mbit / 1000,
      time_phrase(*exact, *coded),
      loss_phrase(static_cast<double>(exact->held_out_loss.at(0)), static_cast<double>(coded->held_out_loss.at(0))),
      replicas);
}

}  // namespace char_lm
