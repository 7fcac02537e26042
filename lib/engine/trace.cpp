// SPDX-License-Identifier: Apache-2.0
#include "engine/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace longhaul::engine {
namespace {

/// By Mark: the stage that ends with it.
constexpr std::array<const char*, kMarks> kStages = {"", "collect", "send", "exchange", "combine", "distribute"};

/// By GpuPhase: its name, and the stream whose row it is in, behind the rows of all chunks.
struct Phase {
  const char* name;
  int stream;
};
constexpr std::array<Phase, site::kGpuPhases> kPhases = {
    {{"reduce-scatter", 0}, {"encode", 0}, {"copy out", 0}, {"encode again", 1}, {"decode", 1}, {"all-gather", 2}}};
constexpr std::array<const char*, 3> kStreams = {"GPU: reduce-scatter, encode", "GPU: decode", "GPU: all-gather"};
constexpr int kFirstStream = 1000;

TimeNs wall_clock_minus_steady() {
  const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  return wall.count() - steady_now();
}

std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

}  // namespace

const char* stage_ending_with(Mark mark) { return kStages[static_cast<std::size_t>(mark)]; }

Result<std::unique_ptr<Trace>> Trace::open(const std::string& prefix, const Members& members) {
  const std::string path = fmt::format("{}.rank{}.json", prefix, members.rank);
  std::FILE* file = std::fopen(path.c_str(), "we");
  if (!file)
    return error(lhInvalidArgument, "LONGHAUL_TRACE: {} cannot be written: {}. Name a folder that exists at every rank", path, std::strerror(errno));
  return std::make_unique<Trace>(file, members);
}

Trace::Trace(std::FILE* file, const Members& members)
    : file_(file),
      rank_(members.rank),
      site_(members.site_names[static_cast<std::size_t>(members.site())]),
      to_wall_clock_(wall_clock_minus_steady()),
      calls_(kMost),
      chunks_(kMost) {}

Trace::~Trace() {
  write_header();
  for (std::uint64_t i = calls_seen_ - std::min<std::uint64_t>(calls_seen_, kMost); i < calls_seen_; ++i) write(calls_[i % kMost]);
  for (std::uint64_t i = chunks_seen_ - std::min<std::uint64_t>(chunks_seen_, kMost); i < chunks_seen_; ++i) write(chunks_[i % kMost]);
  fmt::print(file_.get(), "\n],\"displayTimeUnit\":\"ms\"}}\n");
}

double Trace::microseconds(TimeNs steady) const { return static_cast<double>(steady + to_wall_clock_) / 1e3; }

void Trace::write_header() {
  fmt::print(file_.get(), R"({{"traceEvents":[
{{"ph":"M","name":"process_name","pid":{0},"tid":0,"args":{{"name":"rank {0}, site {1}"}}}},
{{"ph":"M","name":"thread_name","pid":{0},"tid":0,"args":{{"name":"calls"}}}})",
             rank_, escaped(site_));
}

void Trace::write(const Call& call) {
  fmt::print(file_.get(), R"(,
{{"ph":"X","cat":"call","name":"{} #{}","pid":{},"tid":0,"ts":{:.3f},"dur":{:.3f},"args":{{"call":{},"bytes":{},"codec":"{}"}}}})",
             call.name, call.number, rank_, microseconds(call.begin), static_cast<double>(call.end - call.begin) / 1e3, call.number, call.bytes,
             call.codec);
}

void Trace::write(const Chunk& chunk) {
  TimeNs begin = chunk.marks[0];
  for (std::size_t i = 1; i < kMarks; ++i) {
    const TimeNs end = chunk.marks[i];
    if (end == 0) continue;
    // Contributions can be here before the own ones are sent: the stage is over as it begins.
    fmt::print(file_.get(), R"(,
{{"ph":"X","cat":"chunk","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"call":{},"chunk":{},"bytes":{}}}}})",
               kStages[i], rank_, chunk.lane + 1, microseconds(begin), static_cast<double>(std::max<TimeNs>(0, end - begin)) / 1e3, chunk.call,
               chunk.index, chunk.bytes);
    begin = std::max(begin, end);
  }
  write_gpu(chunk);
}

void Trace::name_gpu_lanes() {
  if (std::exchange(gpu_lanes_named_, true)) return;
  for (std::size_t i = 0; i < kStreams.size(); ++i)
    fmt::print(file_.get(), R"(,
{{"ph":"M","name":"thread_name","pid":{},"tid":{},"args":{{"name":"{}"}}}})",
               rank_, kFirstStream + static_cast<int>(i), kStreams[i]);
}

void Trace::write_gpu(const Chunk& chunk) {
  for (std::size_t i = 0; i < kPhases.size(); ++i) {
    const site::GpuSpan& span = chunk.gpu[i];
    if (span.end == 0) continue;
    name_gpu_lanes();
    fmt::print(file_.get(), R"(,
{{"ph":"X","cat":"gpu","name":"{}","pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f},"args":{{"call":{},"chunk":{},"bytes":{}}}}})",
               kPhases[i].name, rank_, kFirstStream + kPhases[i].stream, microseconds(span.begin), static_cast<double>(span.end - span.begin) / 1e3,
               chunk.call, chunk.index, chunk.bytes);
  }
}

}  // namespace longhaul::engine
