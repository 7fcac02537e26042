// SPDX-License-Identifier: Apache-2.0
// From options to exit status: one rank's whole run (run.cpp), and the three ways to get ranks (setup_*.cpp). Nothing
// here throws; a failure is printed to stderr, the other ranks are told, and the status says what happened.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <string>

#include "benchmarks/failure.h"
#include "benchmarks/options.h"
#include "benchmarks/team.h"

namespace longhaul::perf {

/// All rows of one rank, and lhCommFinalize; global rank 0 prints the table and writes the JSON. Returns the number of
/// wrong values, equal at all ranks. The only function here that throws (Failure).
std::uint64_t run_rank(const Options& options, const std::string& mode, lhComm_t comm, Team& team);

/// run_rank with everything that can be thrown turned into a Failure; success is an exit status.
struct RankResult {
  int exit_status = 0;
  std::string error;  ///< empty: none
};
RankResult run_rank_safely(const Options& options, const std::string& mode, lhComm_t comm, Team& team);

void print_error(int rank, const std::string& text);

/// The `wan` string of lhConfig_t; null where there is nothing to say. Points into `storage`.
const char* wan_or_null(const Options& options, std::string* storage);

int run_loopback(const Options& options);
/// This process is the rank that the configuration and the launcher say; no MPI.
int run_configured(const Options& options);
/// The same, with the ranks of a site meeting over MPI_COMM_WORLD; and Mode::Split. In a build without MPI both explain
/// that.
int run_configured_mpi(const Options& options);
int run_split_mpi(const Options& options);
bool built_with_mpi();

}  // namespace longhaul::perf
