// SPDX-License-Identifier: Apache-2.0
// From options to outcome: one rank's whole run (run.cpp), and the three ways to get ranks (setup_*.cpp). Nothing
// here throws; a failure is printed to stderr, the other ranks are told, and the status says what happened.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "benchmarks/failure.h"
#include "benchmarks/options.h"
#include "benchmarks/report.h"
#include "benchmarks/team.h"

namespace longhaul::perf {

/// All rows of one rank, and lhCommFinalize; global rank 0 prints the table and writes the JSON. Returns the number of
/// wrong values, equal at all ranks; `ranks` is filled as soon as they are known. The only function here that throws
/// (Failure).
std::uint64_t run_rank(const Options& options, const std::string& mode, lhComm_t comm, Team& team,
                       std::vector<RankInfo>* ranks);

/// run_rank with everything that can be thrown turned into a Failure; success is an exit status.
struct RankResult {
  int exit_status = 0;
  std::string error;            ///< empty: none
  int rank = -1;                ///< global; -1: not known
  std::vector<RankInfo> ranks;  ///< all of them; empty where the failure came first
};
RankResult run_rank_safely(const Options& options, const std::string& mode, lhComm_t comm, Team& team);

/// How a process ended, all its communicators destroyed: for what is written then.
struct Outcome {
  int exit_status = 0;
  bool first = false;  ///< global rank 0 was in this process
  bool complete = false;
  std::vector<RankInfo> ranks;
};
inline Outcome outcome_of(RankResult result) {
  return {result.exit_status, result.rank == 0, result.error.empty(), std::move(result.ranks)};
}

void print_error(int rank, const std::string& text);

/// The `wan` string of lhConfig_t; null where there is nothing to say. Points into `storage`.
const char* wan_or_null(const Options& options, std::string* storage);

/// The GPU of the rank that is `local_rank` of its launch on this machine, -1 for host memory. Throws Failure.
int device_of(const Options& options, int local_rank);

Outcome run_loopback(const Options& options);
/// This process is the rank that the configuration and the launcher say; no MPI.
Outcome run_configured(const Options& options);
/// The same, with the ranks of a site meeting over MPI_COMM_WORLD; and Mode::Split. In a build without MPI both explain
/// that.
Outcome run_configured_mpi(const Options& options);
Outcome run_split_mpi(const Options& options);
bool built_with_mpi();

}  // namespace longhaul::perf
