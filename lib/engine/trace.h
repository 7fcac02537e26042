// SPDX-License-Identifier: Apache-2.0
// Trace: what the latest calls and chunks of this rank went through, as a file for ui.perfetto.dev or chrome://tracing
// (Trace Event Format, JSON). Made where LONGHAUL_TRACE says so; costs a clock reading at each change of a stage, and no allocation.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "engine/members.h"
#include "site/nccl/gpu_times.h"

namespace longhaul::engine {

/// The ends of a chunk's stages; Begun is the beginning of the first.
enum class Mark : std::uint8_t { Begun, Collected, Sent, Arrived, Combined, Distributed };
inline constexpr std::size_t kMarks = 6;
/// By Mark, steady_now(); 0: the chunk has no such stage.
using Marks = std::array<TimeNs, kMarks>;
/// Its name.
const char* stage_ending_with(Mark mark);

class Trace {
 public:
  /// Opens PREFIX.rankN.json at once, so that a wrong path is an error of bring-up and not of the end.
  static Result<std::unique_ptr<Trace>> open(const std::string& prefix, const Members& members);
  /// Writes to `file`, which becomes its own.
  Trace(std::FILE* file, const Members& members);
  ~Trace();

  struct Call {
    std::uint64_t number = 0, bytes = 0;
    std::string_view name, codec;  ///< static texts
    TimeNs begin = 0, end = 0;
  };
  struct Chunk {
    std::uint64_t call = 0, index = 0, bytes = 0;
    std::uint32_t lane = 0;  ///< chunks of one lane do not overlap in time
    Marks marks{};
    site::GpuSpans gpu{};  ///< of a chunk on device memory: what its GPU did
  };
  /// The oldest are forgotten where there are more than kMost of a kind.
  void add(const Call& call) { calls_[calls_seen_++ % kMost] = call; }
  void add(const Chunk& chunk) { chunks_[chunks_seen_++ % kMost] = chunk; }
  std::size_t memory_bytes() const { return calls_.size() * sizeof(Call) + chunks_.size() * sizeof(Chunk); }

 private:
  static constexpr std::size_t kMost = 1 << 16;
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  void write_header();
  void write(const Call& call);
  void write(const Chunk& chunk);
  void name_gpu_lanes();
  void write_gpu(const Chunk& chunk);
  double microseconds(TimeNs steady) const;

  std::unique_ptr<std::FILE, Close> file_;
  int rank_;
  std::string site_;
  TimeNs to_wall_clock_;  ///< files of several machines can be laid side by side, as exactly as their clocks agree
  std::vector<Call> calls_;
  std::vector<Chunk> chunks_;
  std::uint64_t calls_seen_ = 0, chunks_seen_ = 0;
  bool gpu_lanes_named_ = false;
};

}  // namespace longhaul::engine
