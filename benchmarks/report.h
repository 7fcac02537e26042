// SPDX-License-Identifier: Apache-2.0
// What a run found, and how it is written: nccl-tests' table (table.cpp) and JSON (json.cpp). Pure functions from
// values to text; only global rank 0 calls them.
#pragma once

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "benchmarks/gpu_phases.h"
#include "benchmarks/options.h"
#include "benchmarks/statistics.h"

namespace longhaul::perf {

struct RankInfo {
  int site = 0, site_rank = 0, pid = 0;
  int device = -1;  ///< GPU, as this rank's process counts them; -1: host memory
  std::array<char, 64> host{};  ///< zero-terminated
};

struct RunInfo {
  int version = 0;
  std::string mode;  ///< where the ranks come from, in words
  int sites = 1;
  std::vector<RankInfo> ranks;
};

/// Out-of-place or in-place numbers of one row.
struct Half {
  Times time_us;
  double algbw = 0, busbw = 0;         ///< GB/s
  std::optional<std::uint64_t> wrong;  ///< nullopt: not checked
  std::uint64_t digest = 0;            ///< of all verified results; equal data and calls give equal ones, on GPUs and on host memory
};

/// One ncclAllReduce over all ranks, made in turn with Longhaul's calls.
struct FlatNcclRow {
  Half out_of_place, in_place;
  double time_ratio = 0;  ///< its time / Longhaul's, out of place
};

struct Row {
  std::uint64_t size = 0, count = 0;
  std::string type, op, codec;
  Half out_of_place, in_place;
  double wire_bytes = 0;               ///< per call on the busiest directed link, everything included
  std::optional<double> ratio;         ///< size / wire_bytes
  double wan_gbps = 0;                 ///< wire_bytes over the out-of-place time
  std::optional<double> link_percent;  ///< of the link's rate
  std::optional<double> max_error;     ///< relative to the largest |reference|
  std::optional<double> limit_ms;      ///< L
  std::optional<double> of_limit;      ///< L / time
  double cpu_s = 0;                    ///< of all processes, over all timed out-of-place calls together
  std::optional<double> cpu_s_per_gb;  ///< cpu_s for 1e9 bytes that any rank handed to the WAN
  std::uint64_t peak_memory_bytes = 0;  ///< of the library's buffers so far, largest rank
  std::optional<FlatNcclRow> flat_nccl;
  std::optional<GpuPhases> gpu;        ///< of out-of-place calls
  std::vector<std::string> notes;      ///< what was wrong, in words
};

struct Totals {
  std::uint64_t wrong = 0;
  double average_busbw = 0;
};
Totals totals(const std::vector<Row>& rows);

std::string header_text(const Options& options, const RunInfo& run);
std::string row_text(const Row& row);  ///< with its notes as comment lines
std::string footer_text(const Totals& totals);

/// `error` is the text of the failure that ended the run early, empty for a complete one.
nlohmann::ordered_json report_json(const Options& options, const RunInfo& run, const std::vector<Row>& rows,
                                   const std::string& error);
/// LONGHAUL_* and UCX_* of an environment ("NAME=value"), without anything that names a secret.
std::vector<std::string> public_environment(const char* const* environment);

}  // namespace longhaul::perf
