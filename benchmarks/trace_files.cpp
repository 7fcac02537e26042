// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/trace_files.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "benchmarks/failure.h"

namespace longhaul::perf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMostRanks = 8 * 64;

// The last thing in a whole file is its closing brace; a writer may still be busy.
bool is_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::streamoff>(file.tellg());
  if (!file || size < 2) return false;
  std::string tail(static_cast<std::size_t>(std::min<std::streamoff>(size, 64)), '\0');
  file.seekg(size - static_cast<std::streamoff>(tail.size()));
  file.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  const std::size_t end = tail.find_last_not_of(" \t\r\n");
  return file && end != std::string::npos && tail[end] == '}' && tail.find("\"displayTimeUnit\"") != std::string::npos;
}

// What stands between the brackets of "traceEvents". Copied as text: a trace may have a million events, and a tree of
// them would be many times as large.
std::string events_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  const std::size_t begin = all.find('['), end = all.rfind(']');
  constexpr std::string_view kHead = "{\"traceEvents\":";
  if (!file || !all.starts_with(kHead) || begin != kHead.size() || end == std::string::npos ||
      !nlohmann::json::accept(all)) {
    throw Failure(path + " is not a trace as this version's library writes it: it stays as it is");
  }
  const std::string inside = all.substr(begin + 1, end - begin - 1);
  const std::size_t first = inside.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return inside.substr(first, inside.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

std::string rank_trace_name(const std::string& prefix, int rank) {
  return prefix + ".rank" + std::to_string(rank) + ".json";
}

void begin_trace(const std::string& prefix, bool clean) {
  setenv("LONGHAUL_TRACE", prefix.c_str(), 1);
  std::error_code ignored;  // what cannot be removed cannot be written either: found out when it is
  for (int rank = 0; clean && rank < kMostRanks; ++rank) {
    std::filesystem::remove(rank_trace_name(prefix, rank), ignored);
  }
}

MergedTrace merge_traces(const std::string& prefix, const std::string& out, int ranks, const std::vector<int>& expected,
                         std::chrono::milliseconds patience) {
  const auto here = [&](int rank) { return is_whole(rank_trace_name(prefix, rank)); };
  const Clock::time_point until = Clock::now() + patience;
  while (!std::all_of(expected.begin(), expected.end(), here) && Clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  MergedTrace result;
  for (int rank = 0; rank < ranks; ++rank) (here(rank) ? result.merged : result.missing).push_back(rank);
  if (result.merged.empty()) return result;

  std::ofstream file(out, std::ios::binary | std::ios::trunc);
  file << "{\"traceEvents\":[";
  const char* between = "\n";
  for (const int rank : result.merged) {
    const std::string events = events_of(rank_trace_name(prefix, rank));
    if (events.empty()) continue;
    file << between << events;
    between = ",\n";
  }
  file << "\n],\"displayTimeUnit\":\"ms\"}\n";
  file.close();
  if (!file) throw Failure("writing '" + out + "' failed: is the disk full? The ranks' own files are still beside it");
  for (const int rank : result.merged) std::filesystem::remove(rank_trace_name(prefix, rank));
  return result;
}

}  // namespace longhaul::perf
