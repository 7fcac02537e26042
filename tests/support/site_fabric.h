// SPDX-License-Identifier: Apache-2.0
// A fabric makes the ranks of a site for the contract suites of Channel and Group. One process may drive all ranks
// (shared memory) or only its own (MPI); the suites are written so that both run the same code: they act for the ranks
// they were given and can compute everybody's data.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "base/random.h"
#include "site/group.h"
#include "site/host/shm_channel.h"
#include "support/catch.h"

namespace longhaul::site::testing {

/// The groups of the ranks this process drives, in rank order; empty where it takes no part.
using Ranks = std::vector<std::unique_ptr<Group>>;

class Fabric {
 public:
  virtual ~Fabric() = default;
  virtual std::vector<int> sizes() const = 0;  ///< sites the group suite runs with
  virtual Ranks join(int size, std::size_t max_payload) = 0;
  /// The suite is done with these ranks: waits until nobody needs them any more.
  virtual void leave(Ranks ranks) = 0;
};

/// All ranks in this process, joined by shared memory with rings of so many slots.
class ShmFabric final : public Fabric {
 public:
  ShmFabric(std::size_t data_slots, std::size_t control_slots)
      : data_slots_(data_slots), control_slots_(control_slots) {}

  std::vector<int> sizes() const override { return {1, 2, 3, 5}; }
  void leave(Ranks) override {}
  Ranks join(int size, std::size_t max_payload) override {
    const auto n = static_cast<std::size_t>(size);
    std::vector<std::vector<std::unique_ptr<Channel>>> channels(n);
    for (auto& row : channels) row.resize(n);
    for (std::size_t a = 0; a < n; ++a) {
      for (std::size_t b = a + 1; b < n; ++b) {
        auto pair = make_local_pair(ShmShape{max_payload, data_slots_, control_slots_});
        REQUIRE(pair.ok());
        channels[a][b] = std::move(pair->first);
        channels[b][a] = std::move(pair->second);
      }
    }
    Ranks ranks;
    for (std::size_t i = 0; i < n; ++i) {
      ranks.push_back(std::make_unique<Group>(static_cast<int>(i), std::move(channels[i])));
    }
    return ranks;
  }

 private:
  std::size_t data_slots_;
  std::size_t control_slots_;
};

/// Lets every rank act, in a new random order each round, until each step function said once that its rank is finished.
/// Half a minute without an end is a hang and fails the test.
inline void run_all(const Ranks& ranks, const std::function<bool(Group&)>& step, std::uint64_t seed) {
  Random random(seed);
  std::vector<Group*> active;
  for (const auto& group : ranks) active.push_back(group.get());
  const TimeNs give_up = steady_now() + 30 * kSecond;
  while (!active.empty()) {
    for (std::size_t i = active.size(); i > 1; --i) std::swap(active[i - 1], active[random.below(i)]);
    std::erase_if(active, [&](Group* group) {
      group->progress(steady_now());
      return step(*group);
    });
    if (steady_now() > give_up) FAIL("the ranks wait for each other for ever");
  }
}

}  // namespace longhaul::site::testing
