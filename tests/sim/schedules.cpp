// SPDX-License-Identifier: Apache-2.0
#include "schedules.h"

#include <deque>

#include "world.h"

namespace longhaul::sim {
namespace {

const std::vector<std::vector<int>> kShapes = {{1, 1}, {2, 2}, {1, 1, 1}, {3, 2}, {2, 1, 2}, {1, 2}, {1, 1, 1, 1, 1}, {2}, {3, 1}};

/// Swarm: every run draws its own mix, and most kinds of fault are absent from most runs.
transport::SimOptions random_network(Random* random) {
  transport::SimOptions options;
  options.link.one_way_ns = static_cast<TimeNs>(random->below(40)) * kMillisecond;
  if (random->chance(0.3)) options.link.rate_bits_per_s = 10'000'000 + random->below(1'000'000'000);
  const auto maybe = [&](double most) { return random->chance(0.5) ? random->uniform() * most : 0.0; };
  options.faults.loss = maybe(0.2);
  options.faults.duplicate = maybe(0.2);
  options.faults.corrupt = maybe(0.1);
  options.faults.truncate = maybe(0.05);
  options.faults.reorder = maybe(0.3);
  options.faults.reset = maybe(0.01);
  options.faults.reorder_delay_ns = static_cast<TimeNs>(1 + random->below(100)) * kMillisecond;
  return options;
}

WorldOptions random_world(std::uint64_t seed) {
  Random random(seed * 0x9e3779b97f4a7c15u + 1);
  WorldOptions options;
  options.seed = seed;
  options.site_sizes = kShapes[random.below(kShapes.size())];
  options.network = random_network(&random);
  options.session.streams = 1 + static_cast<int>(random.below(3));
  options.session.window_frames = 16;
  options.session.window_bytes = 64 << 10;
  options.session.ride_through = 600 * kSecond;
  return options;
}

std::uint64_t count_faults(const transport::SimCounters& c) {
  return c.lost + c.duplicated + c.corrupted + c.truncated + c.reordered + c.resets + c.cut;
}

struct Plot {
  explicit Plot(std::uint64_t seed) : world(random_world(seed)), calls_total(1 + world.random().below(6)) {}

  /// Ranks issue the same calls, each at its own pace.
  void issue_some() {
    if (calls.size() < calls_total && world.random().chance(0.3)) {
      const std::uint64_t tag = world.random().chance(0.4) ? 1 + world.random().below(kBuckets) : 0;
      const plan::Call call = tag ? random_bucket_call(&world, tag) : random_call(&world);
      const bool in_place = call.collective == plan::Collective::AllReduce && world.random().chance(0.5);
      calls.emplace_back(&world, call, in_place, tag);
      issued.resize(static_cast<std::size_t>(world.ranks()), 0);
    }
    for (int rank = 0; rank < world.ranks(); ++rank) {
      if (!world.alive(rank) || issued.empty()) continue;
      std::size_t& next = issued[static_cast<std::size_t>(rank)];
      if (next < calls.size() && world.random().chance(0.5)) calls[next++].submit(rank, deadline);
    }
  }

  bool all_issued() const {
    if (calls.size() < calls_total) return false;
    for (int rank = 0; rank < world.ranks(); ++rank)
      if (world.alive(rank) && issued[static_cast<std::size_t>(rank)] < calls.size()) return false;
    return true;
  }
  bool done() const {
    if (!all_issued()) return false;
    for (const WorldCall& call : calls)
      if (!call.finished()) return false;
    return true;
  }

  /// Faults of the moment: a cut that lasts, a connection that breaks.
  void trouble() {
    Random& random = world.random();
    const auto a = static_cast<int>(random.below(static_cast<std::uint64_t>(world.ranks())));
    const auto b = static_cast<int>(random.below(static_cast<std::uint64_t>(world.ranks())));
    if (a == b || world.topology().site_of(a) == world.topology().site_of(b)) return;
    if (random.chance(0.002)) world.network().cut(a, b, true);
    if (random.chance(0.01)) world.network().restore();
    if (random.chance(0.002)) world.network().reset(a, b);
  }

  /// Every rank's residuals are those after the last call of the tag that succeeded there: a call that failed changed nothing.
  std::string feedback_verdict() {
    for (int rank = 0; rank < world.ranks(); ++rank) {
      if (!world.alive(rank)) continue;
      for (std::uint64_t tag = 1; tag <= kBuckets; ++tag) {
        const auto residuals = residuals_of(&world, rank, tag);
        const WorldCall *first = nullptr, *last = nullptr;
        for (const WorldCall& call : calls) {
          if (call.tag() != tag) continue;
          if (!first) first = &call;
          if (call.finished(rank) && call.result(rank).ok()) last = &call;
        }
        if (residuals && *residuals != (last ? last->kept(rank, true) : first->kept(rank, false)))
          return fmt::format("rank {} has wrong residuals under tag {}", rank, tag);
      }
    }
    return "";
  }

  Outcome outcome(std::string problem) {
    if (problem.empty()) problem = feedback_verdict();
    for (const WorldCall& call : calls) {
      if (problem.empty()) problem = call.verdict();
      for (int rank = 0; rank < world.ranks(); ++rank)
        if (call.finished(rank)) world.trace(static_cast<std::uint64_t>(call.result(rank).code()) + 1);
    }
    return {std::move(problem), world.trace_hash(), calls.size(), count_faults(world.network().counters())};
  }

  World world;
  std::uint64_t calls_total;
  TimeNs deadline = 90 * kSecond;
  std::deque<WorldCall> calls;
  std::vector<std::size_t> issued;
};

}  // namespace

Outcome run_schedule(std::uint64_t seed) {
  Plot plot(seed);
  World& world = plot.world;
  const TimeNs faults_end = world.now() + 5 * kSecond;
  world.run(faults_end, [&] {
    plot.issue_some();
    plot.trouble();
    return plot.done();
  });
  world.network().restore();
  world.network().set_faults({});
  const bool finished = world.run(world.now() + 120 * kSecond, [&] {
    plot.issue_some();
    return plot.done();
  });
  std::string problem;
  if (!finished) problem = "hang: not finished 120 s after everything was healed";
  for (const WorldCall& call : plot.calls)
    for (int rank = 0; rank < world.ranks() && problem.empty(); ++rank)
      if (call.finished(rank) && !call.result(rank).ok()) problem = "a call failed: " + call.result(rank).text();
  // The ends: everybody leaves, and nothing may be left over.
  for (int rank = 0; rank < world.ranks(); ++rank) world.engine(rank).leave(world.now() + 60 * kSecond);
  const bool left = world.run(world.now() + 61 * kSecond, [&] {
    for (int rank = 0; rank < world.ranks(); ++rank)
      if (!world.engine(rank).left()) return false;
    return true;
  });
  if (problem.empty() && !left) problem = "hang: a rank could not leave";
  return plot.outcome(std::move(problem));
}

Outcome run_kill_schedule(std::uint64_t seed) {
  Plot plot(seed);
  World& world = plot.world;
  world.network().set_faults({});
  const auto victim = static_cast<int>(world.random().below(static_cast<std::uint64_t>(world.ranks())));
  const TimeNs kill_at = world.now() + static_cast<TimeNs>(world.random().below(300)) * kMillisecond;
  world.run(kill_at, [&] {
    plot.issue_some();
    return false;
  });
  world.kill(victim);
  const TimeNs killed = world.now();
  const auto everybody_knows = [&] {
    for (int rank = 0; rank < world.ranks(); ++rank)
      if (world.alive(rank) && !world.engine(rank).failed()) return false;
    return true;
  };
  world.run(killed + 30 * kSecond, everybody_knows);
  std::string problem;
  if (!everybody_knows()) {
    problem = fmt::format("hang: rank {} died, not noticed by", victim);
    for (int rank = 0; rank < world.ranks(); ++rank)
      if (world.alive(rank) && !world.engine(rank).failed()) problem += fmt::format(" {}", rank);
  }
  if (problem.empty() && world.now() - killed > 5 * kSecond)
    problem = fmt::format("it took {} ms to notice a dead peer", (world.now() - killed) / kMillisecond);
  for (int rank = 0; rank < world.ranks() && problem.empty(); ++rank) {
    if (!world.alive(rank)) continue;
    const Status failure = world.engine(rank).failure();
    if (failure.code() != lhRemoteError) problem = "died: wrong code: " + failure.text();
    if (failure.text().find("of site") == std::string::npos) problem = "died: nobody is named: " + failure.text();
  }
  return plot.outcome(std::move(problem));
}

}  // namespace longhaul::sim
