// SPDX-License-Identifier: Apache-2.0
// all_reduce_perf: statistics, the limit L, wire bytes, table lines, JSON, progress, the team of threads.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <sstream>
#include <thread>

#include "benchmarks/failure.h"
#include "benchmarks/progress.h"
#include "benchmarks/report.h"
#include "benchmarks/statistics.h"
#include "benchmarks/team.h"
#include "benchmarks/types.h"
#include "support/catch.h"

namespace longhaul::perf {
namespace {

bool near(double a, double b) { return std::abs(a - b) <= 1e-9 * std::abs(b); }

Row example_row() {
  Row row;
  row.size = 4096;
  row.count = 1024;
  row.type = "float";
  row.op = "sum";
  row.codec = "i8";
  row.out_of_place = {.time_us = {250, 200, 300}, .algbw = 2, .busbw = 3, .wrong = 0};
  row.in_place = {.time_us = {260, 210, 310}, .algbw = 4, .busbw = 5, .wrong = 2};
  row.wire_bytes = 1100;
  row.ratio = 3.72;
  row.wan_gbps = 0.035;
  row.link_percent = 3.5;
  row.max_error = 0.004;
  row.limit_ms = 7.5;
  row.of_limit = 0.25;
  row.cpu_s = 1.5;
  row.cpu_s_per_gb = 2.5;
  row.peak_memory_bytes = 1 << 20;
  return row;
}

std::vector<std::string> words(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> list;
  for (std::string word; stream >> word;) list.push_back(word);
  return list;
}

}  // namespace

TEST_CASE("median, minimum and nearest-rank p99", "[unit]") {
  const Times odd = summarise({5, 1, 3});
  CHECK(odd.median == 3);
  CHECK(odd.min == 1);
  CHECK(odd.p99 == 5);
  CHECK(summarise({4, 1, 3, 2}).median == 2.5);
  std::vector<double> many;
  for (int i = 1; i <= 200; ++i) many.push_back(i);
  CHECK(summarise(many).p99 == 198);
  CHECK(summarise({7}).p99 == 7);
}

TEST_CASE("an iteration has one time for all ranks", "[unit]") {
  const std::vector<double> all{1, 5, 3, /* rank 1 */ 2, 4, 9};
  CHECK(across_ranks(all, 3, Across::Rank0) == std::vector<double>{1, 5, 3});
  CHECK(across_ranks(all, 3, Across::Mean) == std::vector<double>{1.5, 4.5, 6});
  CHECK(across_ranks(all, 3, Across::Min) == std::vector<double>{1, 4, 3});
  CHECK(across_ranks(all, 3, Across::Max) == std::vector<double>{2, 5, 9});
}

TEST_CASE("bandwidths are nccl-tests'", "[unit]") {
  CHECK(near(algorithm_bandwidth(1e6, 1000), 1));
  CHECK(algorithm_bandwidth(1e6, 0) == 0);
  CHECK(near(bus_bandwidth(1, 4), 1.5));
  CHECK(near(bus_bandwidth(1, 1), 0));
}

TEST_CASE("L is transfer at 95 % of the rate and half a round trip", "[unit]") {
  CHECK(near(limit_seconds(9.5e8 / 8, {1e9, 0.015}).value(), 1.0075));
  CHECK(near(limit_seconds(1e9, {std::nullopt, 0.015}).value(), 0.0075));
  CHECK(near(limit_seconds(9.5e8 / 8, {1e9, std::nullopt}).value(), 1));
  CHECK_FALSE(limit_seconds(1, {}).has_value());
}

TEST_CASE("wire bytes must be believable for the codec", "[unit]") {
  const std::uint64_t count = 1 << 20;
  const EncodedBytes none = encoded_bytes(lhCodecNone, lhFloat32, count);
  const EncodedBytes i8 = encoded_bytes(lhCodecI8, lhFloat32, count);
  CHECK(none.least == 4194304);
  CHECK(i8.least == 1048576 * 1.015625);
  CHECK(encoded_bytes(lhCodecBf16, lhFloat32, count).least == 2097152);
  CHECK(encoded_bytes(lhCodecNone, lhFloat16, count).least == 2097152);
  CHECK(encoded_bytes(lhCodecNone, lhFloat16, count).most == 4194304);
  CHECK(encoded_bytes(lhCodecNone, lhInt8, count).most == 1048576);
  CHECK(plausible_wire(4194304 * 1.05, 0, none));
  CHECK_FALSE(plausible_wire(4194303, 0, none));
  CHECK_FALSE(plausible_wire(4194304 * 1.2, 0, none));
  CHECK(plausible_wire(4194304 * 1.2, 500000, none));  // resent
  CHECK_FALSE(plausible_wire(4194304, 0, i8));         // not compressed at all
  CHECK(codecs_explaining(1.1e6, 0, lhFloat32, lhSum, count) == std::vector<lhCodec_t>{lhCodecI8});
  CHECK(codecs_explaining(4.3e6, 0, lhFloat32, lhSum, count) == std::vector<lhCodec_t>{lhCodecNone, lhCodecLossless});
  CHECK(codecs_explaining(3.6e6, 0, lhFloat32, lhSum, count) == std::vector<lhCodec_t>{lhCodecLossless});
  CHECK(codecs_explaining(1.1e6, 0, lhFloat32, lhMax, count).empty());
  CHECK(codecs_explaining(500, 0, lhFloat32, lhSum, 8).size() == 7);  // too small to tell
}

TEST_CASE("a row has nccl-tests' columns, then those of the WAN", "[unit]") {
  const std::vector<std::string> got = words(row_text(example_row()));
  const std::vector<std::string> expected{"4096", "1024",  "float", "sum",     "i8",   "250.0", "2.00",
                                          "3.00", "0",     "260.0", "4.00",    "5.00", "2",     "1100",
                                          "3.72", "0.035", "3.5",   "4.0e-03", "7.50", "0.250"};
  CHECK(got == expected);
}

TEST_CASE("a baseline has columns behind those, and its wrong values count", "[unit]") {
  Row row = example_row();
  row.flat_nccl = {.out_of_place = {.time_us = {500, 400, 600}, .algbw = 1, .busbw = 1.5, .wrong = 3},
                   .in_place = {},
                   .time_ratio = 2};
  const std::vector<std::string> got = words(row_text(row));
  REQUIRE(got.size() == 24);
  CHECK(std::vector(got.end() - 4, got.end()) == std::vector<std::string>{"500.0", "1.00", "1.50", "2.00"});
  CHECK(totals({row}).wrong == totals({example_row()}).wrong + 3);
  Options options;
  options.flat_nccl = true;
  const auto json = report_json(options, {}, {row, example_row()}, "");
  CHECK(json["config"]["baseline"] == "nccl");
  CHECK(json["results"][0]["flat_nccl"]["out_of_place"]["time"] == 500.0);
  CHECK(json["results"][0]["flat_nccl"]["out_of_place"]["nwrong"] == 3);
  CHECK(json["results"][0]["flat_nccl"]["in_place"]["nwrong"].is_null());
  CHECK(json["results"][0]["flat_nccl"]["time_ratio"] == 2.0);
  CHECK_FALSE(json["results"][1].contains("flat_nccl"));
}

TEST_CASE("the phase that limits a call on GPUs is the busiest stream, or the link", "[unit]") {
  lhStats_t before = LH_STATS_INITIALIZER, after = LH_STATS_INITIALIZER;
  before.gpuEncodeNs = 1'000'000;
  after.gpuEncodeNs = 9'000'000;
  after.gpuReduceScatterNs = 4'000'000;
  after.gpuDecodeNs = 2'000'000;
  after.gpuAllGatherNs = 6'000'000;
  const GpuPhases mine = phases_between(before, after, 2);
  CHECK(mine.encode_ms == 4);
  CHECK(mine.all_gather_ms == 3);
  const GpuPhases other{.reduce_scatter_ms = 5, .encode_ms = 0.5, .decode_ms = 0, .all_gather_ms = 0, .limit = {}};
  const auto slowest = slowest_phases({mine, other}, 10, std::nullopt);
  REQUIRE(slowest.has_value());
  CHECK(slowest->reduce_scatter_ms == 5);
  CHECK(slowest->encode_ms == 4);
  CHECK(slowest->limit == "reduce-scatter + encode");
  CHECK(near(slowest->share, 0.6));  // of the rank where both together take longest
  CHECK(slowest_phases({mine}, 10, 95)->limit == "link");
  CHECK(slowest_phases({mine}, 100, 20)->limit == "none");
  CHECK(near(slowest_phases({mine}, 100, 20)->share, 0.2));
  CHECK_FALSE(slowest_phases({GpuPhases{}}, 10, 95).has_value());
  Row row = example_row();
  row.gpu = slowest;
  CHECK(row_text(row).find("\n#   GPU ms: reduce-scatter 5.000, encode 4.000, decode 1.000, all-gather 3.000; limit: reduce-scatter + encode, busy 60 % of the "
                           "call\n") != std::string::npos);
  const auto json = report_json({}, {}, {row, example_row()}, "");
  CHECK(json["results"][0]["gpu"]["encode_ms"] == 4.0);
  CHECK(json["results"][0]["gpu"]["limit"] == "reduce-scatter + encode");
  CHECK_FALSE(json["results"][1].contains("gpu"));
}

TEST_CASE("what is unknown says so, and notes are comments", "[unit]") {
  Row row = example_row();
  row.out_of_place.wrong = row.in_place.wrong = std::nullopt;
  row.link_percent = row.limit_ms = row.of_limit = row.max_error = row.ratio = std::nullopt;
  row.notes = {"rank 1: bad"};
  const std::string text = row_text(row);
  const auto got = words(text.substr(0, text.find('\n')));
  CHECK(std::count(got.begin(), got.end(), "N/A") == 7);
  CHECK(text.find("\n#   rank 1: bad\n") != std::string::npos);
}

TEST_CASE("header and footer", "[unit]") {
  Options options;
  options.wan = parse_wan("emulate_rtt=15ms");
  options.link.rtt_s = 0.015;
  RunInfo run{.version = 10203, .mode = "threads", .sites = 2, .ranks = std::vector<RankInfo>(3)};
  run.ranks[2].site = 1;
  const std::string text = header_text(options, run);
  for (const char* part : {"# longhaul 1.2.3\n", "nRanks 3 nSites 2 (2 + 1)", "# WAN: emulate_rtt=15ms", "rtt 15 ms",
                           "Rank  2 Site  1", "algbw", "#wrong", "wire B", "of L", "not the use of the link"}) {
    INFO(part);
    CHECK(text.find(part) != std::string::npos);
  }
  CHECK(text.find("flat NCCL") == std::string::npos);
  CHECK(text.find("host memory") != std::string::npos);
  options.flat_nccl = true;
  run.ranks[0].device = 3;
  const std::string with_baseline = header_text(options, run);
  CHECK(with_baseline.find("flat NCCL, out-of-place") != std::string::npos);
  CHECK(with_baseline.find("GPU 3\n") != std::string::npos);
  CHECK(footer_text({0, 2.5}).find("# Out of bounds values : 0 OK\n# Avg bus bandwidth    : 2.5\n") == 0);
  CHECK(footer_text({3, 2.5}).find(": 3 FAILED") != std::string::npos);
}

TEST_CASE("table lines are aligned with their header", "[unit]") {
  const bool baseline = GENERATE(false, true);
  Options options;
  options.flat_nccl = baseline;
  Row example = example_row();
  if (baseline) example.flat_nccl.emplace();
  const std::string header = header_text(options, {});
  const std::string row = row_text(example);
  std::istringstream lines(header);
  std::size_t width = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.find("algbw") != std::string::npos && line.find("size") != std::string::npos) width = line.size();
  }
  CHECK(width == row.find('\n'));
}

TEST_CASE("JSON has nccl-tests' keys and ours", "[unit]") {
  Options options;
  options.link.bits_per_s = 1e9;
  RunInfo run{.version = 100, .mode = "threads", .sites = 2, .ranks = std::vector<RankInfo>(4)};
  Row unchecked = example_row();
  unchecked.in_place.wrong = std::nullopt;
  unchecked.link_percent = std::nullopt;
  const auto json = report_json(options, run, {example_row(), unchecked}, "");
  const auto& first = json["results"][0];
  CHECK(first["size"] == 4096);
  CHECK(first["out_of_place"]["time"] == 250.0);
  CHECK(first["out_of_place"]["bus_bw"] == first["out_of_place"]["busbw"]);
  CHECK(first["in_place"]["nwrong"] == 2);
  CHECK(first["time_p99"] == 300.0);
  CHECK(first["of_limit"] == 0.25);
  CHECK(first["cpu_s"] == 1.5);
  CHECK(first["cpu_s_per_gb"] == 2.5);
  CHECK(first["peak_memory_bytes"] == 1048576);
  CHECK(json["results"][1]["in_place"]["nwrong"].is_null());
  CHECK(json["results"][1]["link_percent"].is_null());
  CHECK(json["out_of_bounds"]["count"] == 2);
  CHECK(json["out_of_bounds"]["okay"] == false);
  CHECK(json["average_bus_bandwidth"]["bandwidth"] == 4.0);
  CHECK(json["config"]["devices"].size() == 4);
  CHECK(json["config"]["link"]["rtt_ms"].is_null());
  CHECK(json["complete"] == true);
  CHECK(report_json(options, run, {}, "site lost")["error"] == "site lost");
}

TEST_CASE("the JSON's environment holds no secret and nothing foreign", "[unit]") {
  const char* const environment[] = {"HOME=/root",           "LONGHAUL_WAN=codec=i8", "LONGHAUL_SECRET_FILE=/etc/x",
                                     "AWS_LONGHAUL_TOKEN=1", "UCX_TLS=tcp",           nullptr};
  CHECK(public_environment(environment) == std::vector<std::string>{"LONGHAUL_WAN=codec=i8", "UCX_TLS=tcp"});
}

TEST_CASE("progress appears when it is due, and not before", "[unit]") {
  using namespace std::chrono_literals;
  std::vector<std::string> written;
  const Progress::Clock::time_point start{};
  const auto write = [&](const std::string& text) { written.push_back(text); };
  Progress progress(4 * Progress::call_work(0), false, write, start);
  progress.begin_row("8 B");
  progress.call_done(0, 1, 4, start + 4s);
  CHECK(written.empty());
  progress.call_done(0, 2, 4, start + 10s);
  REQUIRE(written.size() == 1);
  CHECK(written[0] == "8 B: call 2 of 4, about 10 s left\n");
  progress.call_done(0, 3, 4, start + 12s);
  CHECK(written.size() == 1);
  progress.clear();  // nothing to remove where there is no terminal
  CHECK(written.size() == 1);
}

TEST_CASE("threads gather in rank order", "[unit]") {
  ThreadHub hub(4);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 4; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadTeam team(&hub, rank);
      for (int round = 0; round < 200; ++round) {
        const std::vector<int> all = gather(team, rank * 1000 + round);
        for (int other = 0; other < 4; ++other) {
          if (all[static_cast<std::size_t>(other)] != other * 1000 + round) ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("an abort wakes those who wait and those who come later", "[unit]") {
  ThreadHub hub(3);
  std::atomic<int> stopped{0};
  std::vector<std::thread> threads;
  for (int rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&] {
      try {
        hub.barrier();
      } catch (const Failure&) {
        ++stopped;
      }
    });
  }
  hub.abort();
  for (std::thread& thread : threads) thread.join();
  CHECK(stopped == 2);
  bool thrown = false;
  try {
    hub.barrier();
  } catch (const Failure&) {
    thrown = true;
  }
  CHECK(thrown);
}

}  // namespace longhaul::perf
