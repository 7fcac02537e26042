// SPDX-License-Identifier: Apache-2.0
// World: several real engines with real sessions, plans and codecs over a simulated network, on one thread and a manual clock.
// A seed decides everything: sites, calls, data, faults, the order in which ranks run. The same seed replays exactly.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "checker.h"
#include "engine/engine.h"
#include "transport/sim/network.h"

namespace longhaul::sim {

struct WorldOptions {
  std::uint64_t seed = 1;
  std::vector<int> site_sizes;
  transport::SimOptions network;
  link::SessionOptions session;
  std::uint64_t chunk_bytes = 8 << 10;
};

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();

  /// Lets every rank run once, in random order, then moves the clock on if nothing moved.
  void turn();
  /// Turns until `done` or until the clock passes `deadline`; true: done.
  template <typename Done>
  bool run(TimeNs deadline, Done done) {
    while (!done()) {
      if (now_ > deadline) return false;
      turn();
    }
    return true;
  }
  void advance(TimeNs by) { now_ += by; }

  TimeNs now() const { return now_; }
  Random& random() { return random_; }
  transport::Network& network() { return *network_; }
  const plan::Topology& topology() const { return topology_; }
  /// Error feedback: what the calls made so far leave behind under this tag if all of them succeed.
  Residuals& residuals(std::uint64_t tag) { return residuals_[tag]; }
  /// Of the call that is made next, on all ranks.
  Place next_place() { return {++calls_made_, options_.chunk_bytes}; }
  int ranks() const { return topology_.ranks(); }
  engine::Engine& engine(int rank) { return *engines_[static_cast<std::size_t>(rank)]; }
  /// The rank's process dies without a word.
  void kill(int rank);
  bool alive(int rank) const { return engines_[static_cast<std::size_t>(rank)] != nullptr; }
  /// Mixes a number into the trace, which two runs of one seed must agree on.
  void trace(std::uint64_t value) { trace_ = (trace_ ^ value) * 0x100000001b3u; }
  std::uint64_t trace_hash() const { return trace_; }

 private:
  std::unique_ptr<engine::Engine> make_engine(int rank, std::vector<std::unique_ptr<site::Channel>> channels);

  WorldOptions options_;
  Random random_;
  plan::Topology topology_;
  TimeNs now_ = kSecond;
  std::shared_ptr<transport::Network> network_;
  std::vector<std::unique_ptr<engine::Engine>> engines_;
  std::vector<int> order_;
  std::uint64_t trace_ = 0xcbf29ce484222325u;
  std::uint64_t calls_made_ = 0;
  std::map<std::uint64_t, Residuals> residuals_;
};

/// One collective call on all ranks of a world: buffers, requests, and the check of what came out.
class WorldCall {
 public:
  /// `tag`: with error feedback; 0: without.
  WorldCall(World* world, const plan::Call& call, bool in_place, std::uint64_t tag = 0);

  void submit(int rank, TimeNs deadline);
  bool finished() const;
  bool finished(int rank) const { return requests_[static_cast<std::size_t>(rank)].finished(); }
  const Status& result(int rank) const { return requests_[static_cast<std::size_t>(rank)].result; }
  /// What is wrong with the outcome, or "": every successful rank has exactly the expected bytes.
  std::string verdict() const;
  int successes() const;
  const plan::Call& call() const { return call_; }
  std::uint64_t tag() const { return tag_; }
  /// Of a call with error feedback: the residuals that a rank has before and after it.
  const std::vector<std::uint16_t>& kept(int rank, bool after) const { return (after ? after_ : before_)[static_cast<std::size_t>(rank)]; }

 private:
  World* world_;
  plan::Call call_;
  std::uint64_t tag_;
  std::vector<std::vector<std::uint16_t>> before_, after_;
  bool in_place_;
  std::vector<Buffer> sends_, received_, expected_;
  std::vector<engine::Request> requests_;
};

/// A random call that this topology allows.
plan::Call random_call(World* world);
/// A random call with error feedback: an all-reduce of the bucket that the tag (1 to kBuckets) stands for.
constexpr std::uint64_t kBuckets = 3;
plan::Call random_bucket_call(World* world, std::uint64_t tag);
/// The residuals that a rank has under a tag now, or nothing where it has no state.
std::optional<std::vector<std::uint16_t>> residuals_of(World* world, int rank, std::uint64_t tag);

}  // namespace longhaul::sim
