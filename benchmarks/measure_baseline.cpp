// SPDX-License-Identifier: Apache-2.0
// The baseline's part of a row: one call after each of Longhaul's, and one that is verified.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "benchmarks/failure.h"
#include "benchmarks/measure.h"
#include "benchmarks/process.h"
#include "benchmarks/types.h"
#include "benchmarks/verify.h"

namespace longhaul::perf {

using Clock = std::chrono::steady_clock;

/// Between two barriers, so that what the processes spend there is no cost of Longhaul's.
Bench::Turn Bench::baseline_turn(const Case& row, std::span<const std::byte> input, bool in_place) {
  team_->barrier();
  const double cpu = cpu_seconds();
  if (in_place) put(input, true);  // Longhaul's result lies there
  team_->barrier();
  const Clock::time_point start = Clock::now();
  flat_nccl_->all_reduce(row, in_place);
  const Clock::time_point end = Clock::now();
  team_->barrier();
  if (progress_) progress_->call_done(input.size(), 1, 1, end);
  return {std::chrono::duration<double, std::micro>(end - start).count(), cpu_seconds() - cpu};
}

Half Bench::baseline_half(const Case& row, const Timed& timed, bool in_place, std::vector<std::string>* notes) {
  Half half;
  half.time_us = timed.baseline_us;
  half.algbw = algorithm_bandwidth(static_cast<double>(row.count * type_size(row.type)), half.time_us.median);
  half.busbw = bus_bandwidth(half.algbw, team_->size());
  if (options_.checks > 0) half.wrong = check_baseline(row, in_place, notes);
  return half;
}

std::uint64_t Bench::check_baseline(const Case& row, bool in_place, std::vector<std::string>* notes) {
  const Problem problem = problem_of(row, in_place ? 102 : 101);  // no call of Longhaul's has this data
  const std::span<std::byte> result = bytes_of(&receive_, row), input = bytes_of(&send_, row);
  fill(problem, team_->rank(), input);
  put(input, in_place);
  team_->barrier();
  flat_nccl_->all_reduce(row, in_place);
  get(result, input);
  const auto [first, last] = share_of(team_->rank(), team_->size(), row.count);
  const Verdict mine = verify(problem, result, first, last, {lhCodecNone});
  if (progress_) progress_->call_done(input.size(), 1, 1, Clock::now());
  std::uint64_t wrong = 0;
  for (const Verdict& verdict : gather(*team_, mine)) wrong += verdict.wrong;
  if (wrong > 0)
    notes->push_back(
        fmt::format("flat NCCL ({}): {} elements are wrong", in_place ? "in-place" : "out-of-place", wrong));
  return wrong;
}

}  // namespace longhaul::perf
