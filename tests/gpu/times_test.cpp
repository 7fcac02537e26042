// SPDX-License-Identifier: Apache-2.0
// With LONGHAUL_TRACE a device communicator tells what its GPU did when: every phase of every chunk, on the host's
// clock, in the order of the streams, and never what cannot be: work before it was issued, or after the host saw its
// end. The double's GPUs have a clock of their own.
#include <map>
#include <set>

#include "gpu/gpu_loopback.h"
#include "support/elements.h"
#include "support/trace_folder.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;
using nlohmann::json;

namespace {

constexpr std::size_t kCount = 200'000;
constexpr double kExact = 0.02;        // us: what is printed has three decimals, and a float of milliseconds fewer
constexpr float kTooLarge = 0x1p120F;  // for f4: that chunk is encoded once more, as bf16

/// Calls of all ranks of two sites, 2 + 1 ranks; the counters of rank 0.
lhStats_t run_calls(const char* wan, lhCodec_t codec, int calls, bool refused = false) {
  GpuJob job({2, 1}, wan);
  INFO(job.outcome().text);
  REQUIRE(job.outcome().code == lhSuccess);
  const lhCallConfig_t config = call_with(codec);
  std::vector<float*> buffers;
  for (int rank = 0; rank < 3; ++rank) {
    buffers.push_back(job.user(rank).allocate<float>(kCount));
    std::vector<float> mine(kCount, 1.0F);
    if (refused && rank == 0) mine[0] = kTooLarge;
    job.user(rank).fill(buffers.back(), mine);
  }
  for (int call = 0; call < calls; ++call) {
    for (int rank = 0; rank < 3; ++rank)
      REQUIRE(lhAllReduceEx(buffers[static_cast<std::size_t>(rank)], buffers[static_cast<std::size_t>(rank)], kCount,
                            lhFloat32, lhSum, &config, job.comm(rank), job.user(rank).stream(), nullptr) == lhSuccess);
    job.synchronize();
  }
  return stats_of(job.comm(0));
}

struct Span {
  double begin, end;
};
using Spans = std::map<std::string, Span>;

Span span_of(const json& event) { return {event["ts"], event["ts"].get<double>() + event["dur"].get<double>()}; }

/// What the host and what the GPU did, by call and chunk; and every row of the GPU in the order of the file.
struct Trace {
  std::map<std::pair<std::uint64_t, std::uint64_t>, Spans> host, gpu;
  std::map<int, std::vector<Span>> streams;
  std::set<int> named;

  explicit Trace(const json& events) {
    for (const json& event : events) {
      const std::string kind = event.value("cat", "");
      if (event["ph"] == "M" && event["name"] == "thread_name") named.insert(event["tid"].get<int>());
      if (kind != "gpu" && kind != "chunk") continue;
      const std::pair chunk(event["args"]["call"].get<std::uint64_t>(), event["args"]["chunk"].get<std::uint64_t>());
      (kind == "gpu" ? gpu : host)[chunk][event["name"]] = span_of(event);
      if (kind == "gpu") streams[event["tid"]].push_back(span_of(event));
    }
  }
};

std::vector<std::string> names(const Spans& spans) {
  std::vector<std::string> list;
  for (const auto& [name, span] : spans) list.push_back(name);
  return list;
}

void check_possible(const Trace& trace) {
  REQUIRE(!trace.gpu.empty());
  for (const auto& [chunk, spans] : trace.gpu) {
    INFO("call " << chunk.first << ", chunk " << chunk.second);
    const Spans& host = trace.host.at(chunk);
    const double begun = host.count("collect") ? host.at("collect").begin : host.at("exchange").begin;
    for (const auto& [name, span] : spans) {
      INFO(name);
      CHECK(span.begin <= span.end);
      CHECK(span.begin >= begun - kExact);
      CHECK(span.end <= host.at("distribute").end + kExact);
    }
  }
  for (const auto& [stream, spans] : trace.streams) CHECK(trace.named.count(stream) == 1);
}

}  // namespace

TEST_CASE("a trace has what the GPU did for every chunk", "[gpu]") {
  begin({.seed = 3, .devices = 16, .longest_delay_us = 40, .in_progress = 0.3});
  const TraceFolder traced;
  const lhStats_t stats = run_calls("chunk=64KiB,staging=1MiB", lhCodecNone, 1);
  CHECK(stats.gpuReduceScatterNs > 0);
  CHECK(stats.gpuEncodeNs > 0);  // the copy to pinned memory
  CHECK(stats.gpuDecodeNs == 0);
  CHECK(stats.gpuAllGatherNs > 0);
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
  for (int rank = 0; rank < 3; ++rank) {
    INFO("rank " << rank);
    const Trace trace(traced.events(rank));
    check_possible(trace);
    CHECK(trace.gpu.size() == trace.host.size());
    for (const auto& [chunk, spans] : trace.gpu) {
      // Alone at its site, rank 2 has nothing to reduce there.
      const std::vector<std::string> expected =
          rank == 2 ? std::vector<std::string>{"all-gather", "copy out"}
                    : std::vector<std::string>{"all-gather", "copy out", "reduce-scatter"};
      CHECK(names(spans) == expected);
    }
  }
}

TEST_CASE("the GPU's spans follow each other as its streams do them", "[gpu]") {
  begin({.seed = 4, .devices = 16, .longest_delay_us = 40, .in_progress = 0.3});
  const TraceFolder traced;
  run_calls("chunk=64KiB,staging=1MiB", lhCodecI8, 1);
  const Trace trace(traced.events(0));
  for (const auto& [chunk, spans] : trace.gpu) {
    if (!spans.count("encode")) continue;
    CHECK(spans.at("reduce-scatter").end <= spans.at("encode").begin + kExact);
    if (spans.count("decode")) CHECK(spans.at("encode").end <= spans.at("decode").begin + kExact);
    CHECK(spans.at("encode").end <= spans.at("all-gather").begin + kExact);
  }
}

TEST_CASE("what the codec refuses is seen to be encoded again", "[gpu]") {
  begin({.seed = 6, .devices = 16, .longest_delay_us = 20});
  const TraceFolder traced;
  const lhStats_t stats = run_calls("chunk=64KiB,staging=1MiB", lhCodecF4, 1, true);
  CHECK(stats.gpuDecodeNs > 0);
  int again = 0;
  for (int rank = 0; rank < 3; ++rank) {
    const Trace trace(traced.events(rank));
    check_possible(trace);
    for (const auto& [chunk, spans] : trace.gpu) {
      if (!spans.count("encode again")) continue;
      ++again;
      CHECK(spans.at("encode").end <= spans.at("encode again").begin + kExact);
      CHECK(spans.at("encode again").end <= spans.at("decode").begin + kExact);
    }
  }
  CHECK(again == 1);  // the chunk with that value, at the rank that owns it
}

TEST_CASE("the host's clock and the GPU's stay together", "[gpu]") {
  // Long enough for several anchors.
  begin({.seed = 5, .devices = 16, .longest_delay_us = 1500});
  const TraceFolder traced;
  run_calls("chunk=64KiB,staging=1MiB", lhCodecNone, 12);
  for (int rank = 0; rank < 3; ++rank) check_possible(Trace(traced.events(rank)));
  CHECK(left_over() == "");
}

TEST_CASE("nobody asks for events with time stamps where there is no trace", "[gpu]") {
  begin({.devices = 16});
  const lhStats_t stats = run_calls(nullptr, lhCodecI8, 1);
  CHECK(stats.gpuReduceScatterNs + stats.gpuEncodeNs + stats.gpuDecodeNs + stats.gpuAllGatherNs == 0);
}
