// SPDX-License-Identifier: Apache-2.0
// The Channel and Group contracts over MPI: every process drives its own rank. Run with mpirun -n 3 or more (main:
// support/mpi_main.cpp).
#include <map>

#include "bootstrap/mpi_exchange.h"
#include "site/mpi/mpi_channel.h"
#include "support/site_channel_suite.h"
#include "support/site_group_suite.h"

namespace longhaul::site::testing {
namespace {

int world_size() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  return size;
}

int world_rank() {
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  return rank;
}

/// The first `size` processes of the world are the ranks; the others wait in leave().
class MpiFabric final : public Fabric {
 public:
  explicit MpiFabric(std::size_t data_slots, std::size_t control_slots)
      : data_slots_(data_slots), control_slots_(control_slots) {}
  ~MpiFabric() override {
    for (auto& [size, comm] : sites_) {
      if (comm != MPI_COMM_NULL) MPI_Comm_free(&comm);
    }
  }

  std::vector<int> sizes() const override {
    std::vector<int> sizes;
    for (const int size : {1, 2, 3, 5}) {
      if (size <= world_size()) sizes.push_back(size);
    }
    return sizes;
  }

  Ranks join(int size, std::size_t max_payload) override {
    REQUIRE(size <= world_size());
    if (!sites_.contains(size)) {
      MPI_Comm_split(MPI_COMM_WORLD, world_rank() < size ? 0 : MPI_UNDEFINED, world_rank(), &sites_[size]);
    }
    Ranks ranks;
    if (world_rank() >= size) return ranks;
    auto channels = make_mpi_channels(sites_[size], MpiShape{max_payload, data_slots_, control_slots_});
    REQUIRE(channels.ok());
    ranks.push_back(std::make_unique<Group>(world_rank(), std::move(*channels)));
    return ranks;
  }

  void leave(Ranks ranks) override {
    const TimeNs give_up = steady_now() + 30 * kSecond;
    for (const auto& group : ranks) {
      while (!flushed(*group)) {
        group->progress(steady_now());
        REQUIRE(steady_now() < give_up);
      }
    }
    MPI_Barrier(MPI_COMM_WORLD);
  }

 private:
  static bool flushed(Group& group) {
    for (int peer = 0; peer < group.size(); ++peer) {
      if (peer != group.rank() && !group.channel(peer).flushed()) return false;
    }
    return true;
  }

  std::size_t data_slots_;
  std::size_t control_slots_;
  std::map<int, MPI_Comm> sites_;
};

TEST_CASE("MPI is found through weak references", "[contract][site][mpi]") {
  CHECK(mpi_available());
  CHECK(mpi_threads_ok());
  REQUIRE(world_size() >= 2);
}

TEST_CASE("MPI channels keep order and lanes apart", "[contract][site][mpi]") {
  MpiFabric fabric(4, 64);
  check_order(fabric);
  check_health(fabric);
  check_independent_lanes(fabric, Lane::Collect, Lane::Control);
  check_independent_lanes(fabric, Lane::Distribute, Lane::Collect);
  check_independent_lanes(fabric, Lane::Control, Lane::Distribute);
}

TEST_CASE("a group over MPI gives every rank the exact result", "[contract][site][mpi]") {
  MpiFabric fabric(4, 64);
  check_all_calls(fabric);
}

TEST_CASE("a group over MPI makes progress with one buffer a lane", "[contract][site][mpi]") {
  MpiFabric fabric(1, 1);
  check_all_calls(fabric);
}

TEST_CASE("over MPI a message of another call is a mismatch that names the rank", "[contract][site][mpi]") {
  MpiFabric fabric(4, 64);
  for (const int n : fabric.sizes()) {
    if (n > 1) check_mismatches(fabric, n);
  }
}

TEST_CASE("an MPI channel asks to be polled ever more rarely", "[contract][site][mpi]") {
  MpiFabric fabric(4, 64);
  Ranks ranks = fabric.join(2, 64);
  for (const auto& group : ranks) {
    TimeNs now = kSecond;  // simulated
    TimeNs last_pause = 0;
    REQUIRE(group->channel(1 - group->rank()).send(Lane::Control, {wire::kGoodbye, 0, 0, 0, 0, 0}, {}));
    group->progress(now);
    while (!group->channel(1 - group->rank()).peek(Lane::Control) || !group->channel(1 - group->rank()).flushed())
      group->progress(now);
    group->progress(now);
    while (now < 4 * kSecond) {
      const TimeNs pause = group->next_event() - now;
      CHECK(pause >= last_pause);
      CHECK(pause >= 20 * kMicrosecond);
      last_pause = pause;
      now += pause;
      group->progress(now);
    }
    CHECK(last_pause == 5 * kMillisecond);
    CHECK(group->arm());
  }
  fabric.leave(std::move(ranks));
}

TEST_CASE("messages nobody takes do not hold up the end of a channel", "[contract][site][mpi]") {
  MpiFabric fabric(4, 64);
  for (int round = 0; round < 3; ++round) {
    // Above every eager limit: the receiver may have left before they have crossed.
    Ranks ranks = fabric.join(2, 1 << 20);
    for (const auto& group : ranks) {
      Channel& channel = group->channel(1 - group->rank());
      const std::vector<std::byte> payload(1 << 20);
      std::uint64_t sent = 0;
      while (sent < 3 && channel.send(Lane::Collect, numbered(sent), payload)) ++sent;
      CHECK(sent == 3);
    }
    ranks.clear();
    MPI_Barrier(MPI_COMM_WORLD);
  }
}

std::vector<std::byte> blob_of(int rank) {
  return numbered_payload(static_cast<std::uint64_t>(rank), rank == 0 ? 0 : static_cast<std::size_t>(rank) * 30'000);
}

TEST_CASE("cards are exchanged over MPI", "[contract][bootstrap][mpi]") {
  auto exchange = bootstrap::MpiExchange::make(MPI_COMM_WORLD);
  REQUIRE(exchange.ok());
  const TimeNs deadline = steady_now() + 30 * kSecond;
  for (int round = 0; round < 3; ++round) {
    auto all = (*exchange)->all_gather(blob_of(world_rank()), deadline);
    REQUIRE(all.ok());
    REQUIRE(all->size() == static_cast<std::size_t>(world_size()));
    for (int rank = 0; rank < world_size(); ++rank) CHECK((*all)[static_cast<std::size_t>(rank)] == blob_of(rank));
  }
  const std::vector<std::byte> huge((1 << 20) + 1);
  const ConstBytes mine = world_rank() == 1 ? ConstBytes(huge) : ConstBytes();
  auto refused = (*exchange)->all_gather(mine, deadline);
  REQUIRE(!refused.ok());
  CHECK(refused.status().code() == lhInvalidArgument);
  CHECK(refused.status().text().find("siteRank 1") != std::string::npos);
  CHECK((*exchange)->all_gather(blob_of(world_rank()), deadline).ok());
}

TEST_CASE("an exchange over MPI ends when a rank does not come", "[contract][bootstrap][mpi]") {
  auto exchange = bootstrap::MpiExchange::make(MPI_COMM_WORLD);
  REQUIRE(exchange.ok());
  if (world_rank() != 1) {
    auto missing = (*exchange)->all_gather({}, steady_now() + 20 * kMillisecond);
    REQUIRE(!missing.ok());
    CHECK(missing.status().code() == lhTimeout);
    CHECK((*exchange)->all_gather({}, steady_now()).status().code() == lhInvalidUsage);
  }
  MPI_Barrier(MPI_COMM_WORLD);
}

}  // namespace
}  // namespace longhaul::site::testing
