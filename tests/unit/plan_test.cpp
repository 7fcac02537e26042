// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include <algorithm>
#include <map>

#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::plan;

namespace {

const std::vector<std::vector<int>> kShapes = {{1}, {4}, {1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {5, 3, 4, 1}, {1, 1, 1, 1, 1, 1, 1, 1}};
const std::vector<std::uint64_t> kCounts = {0, 1, 5, 1023, 1024, 1025, 4096, 100003, 1000003};

Call call_of(Collective collective, std::uint64_t count) {
  return {.collective = collective, .type = lhFloat32, .op = lhSum, .codec = lhCodecNone, .scope = lhScopeGlobal, .root = 0, .count = count};
}

}  // namespace

TEST_CASE("chunks tile the buffer and parts tile every chunk", "[unit][plan]") {
  for (const auto& shape : kShapes) {
    const Topology topology(shape);
    for (const auto collective : {Collective::AllReduce, Collective::ReduceScatter, Collective::AllGather, Collective::Broadcast}) {
      for (const std::uint64_t count : kCounts) {
        const Plan plan(topology, 0, call_of(collective, count), 4, {.chunk_bytes = 64 << 10});
        std::uint64_t at = 0;
        for (std::uint64_t k = 0; k < plan.chunk_count(); ++k) {
          const Chunk chunk = plan.chunk(k);
          REQUIRE(chunk.range.begin == at);
          REQUIRE_FALSE(chunk.range.empty());
          at = chunk.range.end;
          for (int site = 0; site < topology.sites(); ++site) {
            std::uint64_t part_at = chunk.range.begin;
            for (int i = 0; i < topology.size_of(site); ++i) {
              const Range part = plan.part(chunk, site, i);
              REQUIRE(part.begin == part_at);
              part_at = part.end;
              const bool aligned = (part.end - chunk.range.begin) % kBlock == 0 || part.end == chunk.range.end;
              REQUIRE(aligned);
            }
            REQUIRE(part_at == chunk.range.end);
          }
        }
        REQUIRE(at == plan.elements());
      }
    }
  }
}

TEST_CASE("pieces are the common refinement of all sites' parts", "[unit][plan]") {
  for (const auto& shape : kShapes) {
    const Topology topology(shape);
    const Plan plan(topology, 0, call_of(Collective::AllReduce, 100003), 4, {.chunk_bytes = 64 << 10});
    for (std::uint64_t k = 0; k < plan.chunk_count(); ++k) {
      const Chunk chunk = plan.chunk(k);
      for (std::uint64_t at = chunk.range.begin; at < chunk.range.end;) {
        const Range piece{at, plan.piece_end(chunk, at)};
        REQUIRE_FALSE(piece.empty());
        for (int site = 0; site < topology.sites(); ++site) {
          int owners = 0;
          for (int i = 0; i < topology.size_of(site); ++i)
            if (!intersect(plan.part(chunk, site, i), piece).empty()) {
              ++owners;
              REQUIRE(plan.part(chunk, site, i).contains(piece));
            }
          REQUIRE(owners == 1);
        }
        at = piece.end;
      }
    }
  }
}

TEST_CASE("parts overlap between WAN peers only", "[unit][plan]") {
  for (const auto& shape : kShapes) {
    const Topology topology(shape);
    for (const std::uint64_t count : kCounts) {
      for (int rank = 0; rank < topology.ranks(); ++rank) {
        const std::vector<int> peers = wan_peers(topology, rank);
        const Plan plan(topology, rank, call_of(Collective::AllReduce, count), 4, {});
        for (int other = 0; other < topology.ranks(); ++other) {
          if (topology.site_of(other) == topology.site_of(rank)) continue;
          const bool is_peer = std::count(peers.begin(), peers.end(), other) == 1;
          const std::vector<int> theirs = wan_peers(topology, other);
          REQUIRE(is_peer == (std::count(theirs.begin(), theirs.end(), rank) == 1));
          for (std::uint64_t k = 0; k < plan.chunk_count(); ++k) {
            const Chunk chunk = plan.chunk(k);
            const Range overlap = intersect(plan.part(chunk, topology.site_of(rank), topology.site_rank_of(rank)),
                                            plan.part(chunk, topology.site_of(other), topology.site_rank_of(other)));
            if (!overlap.empty()) REQUIRE(is_peer);
          }
        }
        for (int site = 0; site < topology.sites(); ++site) {
          if (site == topology.site_of(rank)) continue;
          const bool reaches = std::any_of(peers.begin(), peers.end(), [&](int p) { return topology.site_of(p) == site; });
          REQUIRE(reaches);
        }
      }
    }
  }
}

TEST_CASE("with equal sites only rail peers exchange", "[unit][plan]") {
  const Topology topology({4, 4, 4});
  CHECK(wan_peers(topology, 5) == std::vector<int>{1, 9});
  CHECK(wan_peers(Topology({3, 2}), 1) == std::vector<int>{3, 4});
  CHECK(wan_peers(Topology({3, 2}), 0) == std::vector<int>{3});
}

TEST_CASE("segmented calls send each site only what it wants or has", "[unit][plan]") {
  const Topology topology({2, 1, 2});
  const Plan scatter(topology, 0, call_of(Collective::ReduceScatter, 5000), 4, {.chunk_bytes = 16 << 10});
  const Plan gather(topology, 0, call_of(Collective::AllGather, 5000), 4, {.chunk_bytes = 16 << 10});
  for (std::uint64_t k = 0; k < scatter.chunk_count(); ++k) {
    const Chunk chunk = scatter.chunk(k);
    int targets = 0;
    for (int site = 0; site < 3; ++site) {
      REQUIRE(chunk.from(site));
      if (!chunk.to(site)) continue;
      ++targets;
      REQUIRE(chunk.range.begin >= static_cast<std::uint64_t>(topology.first_rank(site)) * 5000);
      REQUIRE(chunk.range.end <= static_cast<std::uint64_t>(topology.first_rank(site) + topology.size_of(site)) * 5000);
    }
    REQUIRE(targets == 1);
    REQUIRE(gather.chunk(k).source_sites == chunk.target_sites);
    REQUIRE(gather.chunk(k).range == chunk.range);
  }
  CHECK(scatter.want(2, 1) == Range{4 * 5000, 5 * 5000});
  CHECK(gather.contribution(1, 0) == Range{2 * 5000, 3 * 5000});
}

TEST_CASE("the rail scope sees every site as one rank", "[unit][plan]") {
  const Topology topology({2, 2, 2});
  Call call = call_of(Collective::AllReduce, 3000);
  call.scope = lhScopeRail;
  call.op = lhAvg;
  const Plan plan(topology, 3, call, 4, {});
  CHECK(plan.group_size(0) == 1);
  CHECK(plan.group_rank() == 0);
  CHECK(plan.global_rank(2, 0) == 5);
  CHECK(plan.divisor() == 3);
  CHECK(plan.part(plan.chunk(0), 1, 0) == plan.chunk(0).range);
}

TEST_CASE("automatic chunks are an eighth of the call within bounds", "[unit][plan]") {
  const Topology topology({2, 2});
  const auto bytes_of = [&](std::uint64_t count) {
    return Plan(topology, 0, call_of(Collective::AllReduce, count), 4, {}).chunk(0).range.count() * 4;
  };
  CHECK(bytes_of(1 << 10) == 4096);
  CHECK(bytes_of(1 << 18) == 128 << 10);
  CHECK(bytes_of(1 << 20) == 512 << 10);
  CHECK(bytes_of(1 << 26) == 512 << 10);
}
