// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/run.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <new>
#include <vector>

#include "benchmarks/measure.h"
#include "benchmarks/report_maker.h"
#include "benchmarks/types.h"
#include "device/gpu.h"

namespace longhaul::perf {
namespace {

void to_stderr(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

void to_stdout(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);  // rows of slow links should be seen as they come, also in a pipe
}

double total_work(const Options& options, const std::vector<Case>& rows) {
  double work = 0;
  for (const Case& row : rows) {
    const int each = options.iterations + options.warmup + options.checks;
    const int calls = 2 * each * (options.flat_nccl ? 2 : 1);
    work += calls * Progress::call_work(row.count * type_size(row.type));
  }
  return work;
}

// Table and JSON as the rows come; does nothing at ranks other than 0.
class Reporter {
 public:
  Reporter(const Options& options, bool active) : options_(options), active_(active) {
    if (!active_) return;
    // Found out now rather than after an hour of measuring.
    require_report(options);
    if (options.json_file.empty()) return;
    file_.open(options.json_file, std::ios::trunc);
    if (!file_) throw Failure("cannot write '" + options.json_file + "' (-J)", kExitUsage);
  }

  void begin(RunInfo run) {
    run_ = std::move(run);
    if (active_) to_stdout(header_text(options_, run_));
  }
  void add(Row row) {
    if (active_) to_stdout(row_text(row));
    rows_.push_back(std::move(row));
  }
  std::uint64_t end() {
    const Totals sum = totals(rows_);
    if (active_) to_stdout(footer_text(sum));
    write("");
    return sum.wrong;
  }
  void write(const std::string& error) {
    if (!file_.is_open()) return;
    // Not every text in there is ours: anything that is not UTF-8 is replaced instead of thrown over.
    file_ << report_json(options_, run_, rows_, error).dump(2, ' ', false, nlohmann::json::error_handler_t::replace)
          << "\n";
    file_.close();
    if (!file_) throw Failure("writing '" + options_.json_file + "' failed: is the disk full?");
  }

 private:
  const Options& options_;
  const bool active_;
  std::ofstream file_;
  RunInfo run_;
  std::vector<Row> rows_;
};

}  // namespace

std::uint64_t run_rank(const Options& options, const std::string& mode, lhComm_t comm, Team& team,
                       std::vector<RankInfo>* ranks) {
  const bool first = team.rank() == 0;
  const std::vector<Case> rows = cases(options);
  Reporter reporter(options, first);
  std::unique_ptr<Progress> progress;
  if (first) {
    progress = std::make_unique<Progress>(total_work(options, rows), isatty(STDERR_FILENO) == 1, to_stderr,
                                          Progress::Clock::now());
  }
  try {
    Bench bench(options, comm, &team, progress.get());
    RunInfo run = bench.describe(mode);
    *ranks = run.ranks;
    reporter.begin(std::move(run));
    for (const Case& row : rows) {
      Row result = bench.measure(row);
      if (progress) progress->clear();
      reporter.add(std::move(result));
    }
    const std::uint64_t wrong = reporter.end();
    require(lhCommFinalize(comm), comm, "lhCommFinalize");
    return wrong;
  } catch (const std::exception& failure) {
    if (progress) progress->clear();
    reporter.write(failure.what());
    throw;
  }
}

RankResult run_rank_safely(const Options& options, const std::string& mode, lhComm_t comm, Team& team) {
  RankResult result;
  result.rank = team.rank();
  const auto failed = [&](int exit_status, std::string error) {
    result.exit_status = exit_status;
    result.error = std::move(error);
  };
  try {
    if (run_rank(options, mode, comm, team, &result.ranks) != 0) result.exit_status = kExitWrongValues;
  } catch (const Failure& failure) {
    failed(failure.exit_status(), failure.what());
  } catch (const std::bad_alloc&) {
    failed(kExitLibrary,
           fmt::format("not enough memory: every rank needs two buffers of {} bytes (-e)", options.max_bytes));
  } catch (const std::exception& other) {
    failed(kExitLibrary, other.what());
  }
  return result;
}

void print_error(int rank, const std::string& text) {
  to_stderr(rank < 0 ? fmt::format("all_reduce_perf: {}\n", text)
                     : fmt::format("all_reduce_perf: rank {}: {}\n", rank, text));
}

int device_of(const Options& options, int local_rank) {
  if (options.device < 0) return -1;
  const auto count = device::Gpu::count();
  if (!count.ok()) throw Failure("--device: " + count.status().text());
  if (options.device >= *count)
    throw Failure(fmt::format("--device {}: this process sees {} GPUs (CUDA_VISIBLE_DEVICES), counted from 0",
                              options.device, *count));
  return (options.device + local_rank) % *count;
}

const char* wan_or_null(const Options& options, std::string* storage) {
  *storage = wan_text(options.wan);
  return storage->empty() ? nullptr : storage->c_str();
}

}  // namespace longhaul::perf
