// SPDX-License-Identifier: Apache-2.0
// Measures the rows: what one rank does. All ranks run the same code in step; every rank ends with the same count of
// wrong values, so that every process of a launch exits alike. Throws Failure.
#pragma once

#include <longhaul/longhaul.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "benchmarks/data.h"
#include "benchmarks/device_buffers.h"
#include "benchmarks/flat_nccl.h"
#include "benchmarks/options.h"
#include "benchmarks/progress.h"
#include "benchmarks/report.h"
#include "benchmarks/team.h"

namespace longhaul::perf {

class Bench {
 public:
  /// `progress` may be null. Buffers for the largest size are allocated here.
  Bench(const Options& options, lhComm_t comm, Team* team, Progress* progress);

  RunInfo describe(std::string mode) const;
  Row measure(const Case& row);

 private:
  /// What one directed link out of the busiest site carried per call, and whether that is believable.
  struct Wire {
    double bytes = 0;
    double resent = 0;
    std::vector<double> by_site;  ///< mean over the links out of each site
    std::vector<double> resent_by_site;
    double total = 0;  ///< over all links and calls, not per call
  };
  struct Timed {
    Times times_us;
    Wire wire;
    double cpu_s = 0;  ///< of all processes, over all timed calls together
    Times baseline_us;  ///< where there is one
    std::vector<GpuPhases> gpu;  ///< by rank
  };
  /// One call of the baseline, and what this process spent meanwhile.
  struct Turn {
    double us = 0, cpu_s = 0;
  };
  struct Checked {
    std::uint64_t wrong = 0;
    double max_error = 0, max_reference = 0;
    std::uint64_t digest = 0;
  };

  Timed time_calls(const Case& row, const Problem& problem, bool in_place);
  Checked check_calls(const Case& row, bool in_place, const std::vector<lhCodec_t>& codecs,
                      std::vector<std::string>* notes);
  Checked check_once(const Case& row, const Problem& problem, bool in_place, const std::vector<lhCodec_t>& codecs,
                     std::vector<std::string>* notes);
  Half half(const Case& row, bool in_place, Row* out, double* error, double* reference);
  Turn baseline_turn(const Case& row, std::span<const std::byte> input, bool in_place);
  Half baseline_half(const Case& row, const Timed& timed, bool in_place, std::vector<std::string>* notes);
  std::uint64_t check_baseline(const Case& row, bool in_place, std::vector<std::string>* notes);
  Times across(const std::vector<double>& mine) const;
  std::uint64_t check_wire(const Case& row, const Wire& wire, bool in_place, std::vector<std::string>* notes) const;
  Wire wire_between(const lhStats_t& before, const lhStats_t& after) const;
  double sum_over_processes(double mine) const;
  void fill_cost_columns(const Timed& timed, Row* out) const;
  std::vector<GpuPhases> gather_phases(const GpuPhases& mine) const;
  void fill_wan_columns(const Case& row, const Wire& wire, Row* out) const;

  void call(const Case& row, bool in_place);
  void put(std::span<const std::byte> input, bool in_place);
  void get(std::span<std::byte> result, std::span<std::byte> input);
  lhStats_t stats() const;
  std::span<std::byte> bytes_of(std::vector<std::byte>* buffer, const Case& row) const;
  Problem problem_of(const Case& row, std::uint64_t iteration) const;

  const Options& options_;
  lhComm_t comm_;
  Team* team_;
  Progress* progress_;
  int sites_ = 1;
  std::vector<RankInfo> ranks_;
  std::vector<std::byte> send_, receive_;
  std::unique_ptr<DeviceBuffers> device_;  // of a device communicator: the buffers of the calls, the two above are copies
  std::unique_ptr<FlatNccl> flat_nccl_;    // with --baseline nccl
};

}  // namespace longhaul::perf
