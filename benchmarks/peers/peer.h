// SPDX-License-Identifier: Apache-2.0
// How are other libraries' all-reduces measured? The same way as Longhaul's in all_reduce_perf: a barrier before every call, the
// mean of the ranks' times, the result checked with other data than the timed calls had. One line of JSON from rank 0.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "benchmarks/team.h"

namespace longhaul::perf {

/// One rank of somebody else's library. Everything throws what it likes; the program then ends with status 1.
class Peer : public Team {
 public:
  /// Name, version and algorithm, for the result.
  virtual nlohmann::json describe() const = 0;
  /// Whether the input is expected in `output`; it is then copied there before each call, outside the time.
  virtual bool in_place() const { return false; }
  /// The buffers of all later calls; they outlive them.
  virtual void bind(std::span<const float> input, std::span<float> output) = 0;
  /// output = sum of all ranks' inputs. Blocks until this rank's result is there.
  virtual void all_reduce() = 0;
};

struct PeerOptions {
  std::uint64_t bytes = 64 << 20;
  int iterations = 10, warmup = 2;
  std::string device;  ///< network device whose bytes are counted; empty: none
};
/// --bytes, --iterations, --warmup, --device.
void add_options(CLI::App* app, PeerOptions* options);

/// Measures and checks; rank 0 prints the line. Returns the exit status, equal at all ranks: 1 when a value is wrong.
int run_peer(const PeerOptions& options, Peer* peer);

}  // namespace longhaul::perf
