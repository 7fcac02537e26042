// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/report_maker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>

#include "benchmarks/machine.h"
#include "benchmarks/trace_files.h"

namespace longhaul::perf {
namespace {

namespace fs = std::filesystem;

// lhCommDestroy of other processes ends within 10 s, and nearly always at once.
constexpr std::chrono::milliseconds kPatience{5000};

void require_writable(const std::string& path, const char* flag) {
  const fs::path file = path, folder = file.has_parent_path() ? file.parent_path() : fs::path(".");
  if (!path.empty() && (fs::is_directory(file) || access(folder.c_str(), W_OK) != 0)) {
    throw Failure(fmt::format("cannot write '{}' ({})", path, flag), kExitUsage);
  }
}

// report.py lies at one place relative to the program, in an installed prefix as in a build folder.
std::string script_path() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  return (program.parent_path() / LH_REPORT_FROM_BIN).lexically_normal().string();
}

// The system's own Python may have the distribution's matplotlib where another one is first on the PATH.
std::optional<std::string> find_python() { return python_with_matplotlib({"python3", "/usr/bin/python3"}); }

void say(const std::string& text) {
  std::fputs(text.c_str(), stderr);
  std::fflush(stderr);
}

bool write_trace(const Options& options, const Outcome& outcome) {
  const std::string& name = options.trace_file;
  say(fmt::format("writing {} ...\n", name));
  std::vector<int> expected;
  for (std::size_t i = 0; outcome.complete && i < outcome.ranks.size(); ++i) {
    if (outcome.ranks[i].host == outcome.ranks[0].host) expected.push_back(static_cast<int>(i));
  }
  const auto merged = merge_traces(name, name, static_cast<int>(outcome.ranks.size()), expected, kPatience);
  if (!merged.merged.empty()) say(missing_traces_text(outcome.ranks, merged.missing, name));
  return !merged.merged.empty();
}

void make_report(const Options& options, bool traced) {
  say(fmt::format("writing {} ...\n", options.report_file));
  const std::optional<std::string> python = find_python();
  const int status = python ? run_program(report_command(options, *python, script_path(), traced), false) : kExitUsage;
  if (status == 0) return;
  throw Failure(
      fmt::format("no report: report.py ended with status {}. The results are in {}: make it again with {} {} -o {}",
                  status, options.json_file, script_path(), options.json_file, options.report_file),
      kExitNoReport);
}

}  // namespace

void require_report(const Options& options) {
  require_writable(options.report_file, "--report");
  require_writable(options.trace_file, "--trace");
  if (options.report_file.empty()) return;
  const std::string later =
      "Or measure now with -J FILE --trace FILE.json, and make the report later, here or elsewhere, with report.py";
  if (!fs::exists(script_path())) {
    throw Failure(
        fmt::format("--report needs {}, which is not there: install Longhaul again. {}", script_path(), later),
        kExitUsage);
  }
  if (!find_python()) {
    throw Failure(
        "--report needs python3 with matplotlib: apt-get install python3-matplotlib (or pip install matplotlib). " +
            later + " (" + script_path() + ")",
        kExitUsage);
  }
}

int write_report(const Options& options, const Outcome& outcome) {
  if (options.trace_file.empty() || outcome.ranks.empty()) return outcome.exit_status;  // not asked, or nothing ran
  try {
    const bool traced = write_trace(options, outcome);
    const char* const none = "no rank wrote a trace";
    if (!traced && (options.report_file.empty() || !outcome.complete)) throw Failure(none, kExitNoReport);
    if (!outcome.complete) return outcome.exit_status;  // what was measured until then is in the JSON
    if (!traced) say(fmt::format("{}: the report has no picture of the pipeline\n", none));
    if (!options.report_file.empty()) make_report(options, traced);
    return outcome.exit_status;
  } catch (const std::exception& failure) {
    print_error(-1, failure.what());
    return outcome.exit_status ? outcome.exit_status : kExitNoReport;
  }
}

std::optional<std::string> python_with_matplotlib(const std::vector<std::string>& candidates) {
  for (const std::string& python : candidates) {
    if (run_program({python, "-c", "import matplotlib"}, true) == 0) return python;
  }
  return std::nullopt;
}

std::vector<std::string> report_command(const Options& options, const std::string& python, const std::string& script,
                                        bool traced) {
  std::vector<std::string> command{python, script, options.json_file, "-o", options.report_file};
  if (traced) {
    command.emplace_back("--trace");
    command.push_back(options.trace_file);
  }
  return command;
}

int run_program(const std::vector<std::string>& command, bool quiet) {
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  if (quiet) {
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  pid_t child = -1;
  const int error = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(),
                                 const_cast<char* const*>(process_environment()));
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return 127;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return 127;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string missing_traces_text(const std::vector<RankInfo>& ranks, const std::vector<int>& missing,
                                const std::string& prefix) {
  std::map<std::string, std::string> by_host;
  for (const int rank : missing) {
    std::string& list = by_host[std::string(ranks[static_cast<std::size_t>(rank)].host.data())];
    list += (list.empty() ? "" : ", ") + std::to_string(rank);
  }
  std::string text;
  for (const auto& [host, list] : by_host) {
    const bool elsewhere = host != ranks[0].host.data();
    text += elsewhere
                ? fmt::format("not in the trace: rank {}, on {}. Where it had --trace too, its file is there: {}\n",
                              list, host, prefix + ".rankN.json")
                : fmt::format("not in the trace: rank {}, which wrote none\n", list);
  }
  return text;
}

}  // namespace longhaul::perf
