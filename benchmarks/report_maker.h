// SPDX-License-Identifier: Apache-2.0
// How do results and trace become the files that --report and --trace ask for? The report is made by report.py, which
// is installed beside this program, once all communicators are gone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "benchmarks/options.h"
#include "benchmarks/run.h"

namespace longhaul::perf {

/// Before anything is measured: throws a Failure that says what to do where the files could not be written later, or no
/// Python with matplotlib is here.
void require_report(const Options& options);

/// After the run, at the process of global rank 0: merges the trace and makes the report; says what it does on stderr.
/// Returns the exit status of the program.
int write_report(const Options& options, const Outcome& outcome);

/// The first of these that starts and has matplotlib.
std::optional<std::string> python_with_matplotlib(const std::vector<std::string>& candidates);
/// The program and arguments that make the report.
std::vector<std::string> report_command(const Options& options, const std::string& python, const std::string& script,
                                        bool traced);
/// Starts a program (found on the PATH) without a shell and waits for it. `quiet`: its output is dropped. Its exit
/// status, 128 + signal, or 127 where it cannot be started.
int run_program(const std::vector<std::string>& command, bool quiet);
/// What stderr is told of ranks whose files were not here: "" or lines.
std::string missing_traces_text(const std::vector<RankInfo>& ranks, const std::vector<int>& missing,
                                const std::string& prefix);

}  // namespace longhaul::perf
