// SPDX-License-Identifier: Apache-2.0
// all_reduce_perf: ranks' traces become one file, and the program that makes the report is started as asked.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "benchmarks/report_maker.h"
#include "benchmarks/trace_files.h"
#include "support/catch.h"

namespace longhaul::perf {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// An empty folder for one test.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "longhaul_trace_XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// As the library writes one: an event that names the rank, in a string with brackets.
std::string trace_of(int rank) {
  return "{\"traceEvents\":[\n {\"ph\":\"M\",\"pid\":" + std::to_string(rank) +
         ",\"args\":{\"name\":\"site [x]\"}},\n {\"ph\":\"X\",\"pid\":" + std::to_string(rank) +
         ",\"ts\":1.5}\n],\"displayTimeUnit\":\"ms\"}\n";
}

RankInfo on(const char* host) {
  RankInfo info;
  std::copy_n(host, std::string(host).size(), info.host.begin());
  return info;
}

}  // namespace

TEST_CASE("a trace that begins is told to the library and forgets an earlier one", "[unit]") {
  const Folder folder;
  const std::string prefix = folder / "t.json";
  write(rank_trace_name(prefix, 3), "old");
  write(prefix, "kept");
  begin_trace(prefix, false);
  CHECK(fs::exists(prefix + ".rank3.json"));
  begin_trace(prefix, true);
  CHECK_FALSE(fs::exists(prefix + ".rank3.json"));
  CHECK(fs::exists(prefix));
  CHECK(std::getenv("LONGHAUL_TRACE") == prefix);
  unsetenv("LONGHAUL_TRACE");
}

TEST_CASE("ranks' traces become one, in rank order, and are gone then", "[unit]") {
  const Folder folder;
  const std::string prefix = folder / "t.json";
  for (const int rank : {11, 0, 2}) write(rank_trace_name(prefix, rank), trace_of(rank));
  write(rank_trace_name(prefix, 4), "{\"traceEvents\":[],\"displayTimeUnit\":\"ms\"}");
  write(rank_trace_name(prefix, 5), trace_of(5).substr(0, 60));  // its writer was killed
  const MergedTrace merged = merge_traces(prefix, prefix, 12, {0, 2, 11}, 0ms);
  CHECK(merged.merged == std::vector<int>{0, 2, 4, 11});
  CHECK(merged.missing == std::vector<int>{1, 3, 5, 6, 7, 8, 9, 10});
  const auto json = nlohmann::json::parse(read(prefix));
  CHECK(json["displayTimeUnit"] == "ms");
  std::vector<int> ranks;
  for (const auto& event : json["traceEvents"]) ranks.push_back(event["pid"]);
  CHECK(ranks == std::vector<int>{0, 0, 2, 2, 11, 11});
  CHECK(json["traceEvents"][2]["args"]["name"] == "site [x]");
  for (const int rank : merged.merged) CHECK_FALSE(fs::exists(rank_trace_name(prefix, rank)));
  CHECK(fs::exists(rank_trace_name(prefix, 5)));
}

TEST_CASE("the merge waits for a rank that is still writing", "[unit]") {
  const Folder folder;
  const std::string prefix = folder / "t.json";
  write(rank_trace_name(prefix, 0), trace_of(0));
  write(rank_trace_name(prefix, 1), trace_of(1).substr(0, 60));
  std::thread late([&] {
    std::this_thread::sleep_for(100ms);
    write(rank_trace_name(prefix, 1), trace_of(1));
  });
  const MergedTrace merged = merge_traces(prefix, prefix, 2, {0, 1}, 60s);
  late.join();
  CHECK(merged.merged == std::vector<int>{0, 1});
  CHECK(nlohmann::json::parse(read(prefix))["traceEvents"].size() == 4);
}

TEST_CASE("nothing is written where no rank wrote", "[unit]") {
  const Folder folder;
  const MergedTrace merged = merge_traces(folder / "t.json", folder / "t.json", 2, {0, 1}, 0ms);
  CHECK(merged.merged.empty());
  CHECK(merged.missing == std::vector<int>{0, 1});
  CHECK_FALSE(fs::exists(folder / "t.json"));
}

TEST_CASE("what is no trace is refused and kept", "[unit]") {
  const Folder folder;
  const std::string prefix = folder / "t.json";
  for (const char* bad :
       {"{\"traceEvents\":[{\"ph\":],\"displayTimeUnit\":\"ms\"}", "{\"other\":[],\"displayTimeUnit\":\"ms\"}",
        "{\"traceEvents\":7,\"displayTimeUnit\":\"ms\"}"}) {
    INFO(bad);
    write(rank_trace_name(prefix, 0), bad);
    CHECK_THROWS_AS(merge_traces(prefix, prefix, 1, {0}, 0ms), Failure);
    CHECK(read(rank_trace_name(prefix, 0)) == bad);
  }
  write(rank_trace_name(prefix, 0), trace_of(0));
  CHECK_THROWS_AS(merge_traces(prefix, folder / "no/t.json", 1, {0}, 0ms), Failure);
  CHECK(fs::exists(rank_trace_name(prefix, 0)));
}

TEST_CASE("who is not in the trace, and where", "[unit]") {
  const std::vector<RankInfo> ranks{on("here"), on("here"), on("there"), on("there")};
  CHECK(missing_traces_text(ranks, {}, "t.json").empty());
  CHECK(missing_traces_text(ranks, {1}, "t.json") == "not in the trace: rank 1, which wrote none\n");
  CHECK(missing_traces_text(ranks, {2, 3}, "t.json") ==
        "not in the trace: rank 2, 3, on there. Where it had --trace too, its file is there: t.json.rankN.json\n");
}

TEST_CASE("the report's command has no shell in it", "[unit]") {
  Options options;
  options.json_file = "a b.json";
  options.report_file = "$(x).html";
  options.trace_file = "t;.json";
  const std::vector<std::string> plain{"python3", "report.py", "a b.json", "-o", "$(x).html"};
  CHECK(report_command(options, "python3", "report.py", false) == plain);
  std::vector<std::string> traced = plain;
  traced.insert(traced.end(), {std::string("--trace"), std::string("t;.json")});
  CHECK(report_command(options, "python3", "report.py", true) == traced);
}

TEST_CASE("programs are started and their status is told", "[unit]") {
  CHECK(run_program({"true"}, true) == 0);
  CHECK(run_program({"sh", "-c", "exit 5"}, true) == 5);
  CHECK(run_program({"sh", "-c", "kill -KILL $$"}, true) == 128 + 9);
  CHECK(run_program({"/nonexistent/program"}, true) == 127);
  const Folder folder;
  CHECK(run_program({"sh", "-c", "printf '%s|' \"$@\" > \"$0\"", folder / "words", "a b", "$HOME"}, true) == 0);
  CHECK(read(folder / "words") == "a b|$HOME|");
}

TEST_CASE("the first Python that has matplotlib is taken", "[unit]") {
  // true and false stand for one that has it and one that does not.
  CHECK(python_with_matplotlib({"/nonexistent/python3", "false", "true"}) == std::optional<std::string>("true"));
  CHECK(python_with_matplotlib({"false", "/nonexistent/python3"}) == std::nullopt);
}

}  // namespace longhaul::perf
