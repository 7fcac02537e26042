// SPDX-License-Identifier: Apache-2.0
#include "plan/plan.h"

#include "base/check.h"

namespace longhaul::plan {
namespace {

std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

/// Calls whose chunks belong to one site each: the whole buffer is one block per rank.
bool is_segmented(Collective collective) {
  return collective == Collective::ReduceScatter || collective == Collective::AllGather;
}

/// i-th of n near-equal cuts of a range, at multiples of kBlock from its beginning.
std::uint64_t cut(const Range& range, std::uint64_t i, std::uint64_t n) {
  const std::uint64_t blocks = ceil_div(range.count(), kBlock);
  return std::min(range.end, range.begin + i * blocks / n * kBlock);
}

}  // namespace

Plan::Plan(const Topology& topology, int rank, const Call& call, std::uint64_t element_bytes, const Options& options)
    : topology_(&topology),
      rank_(rank),
      site_(topology.site_of(rank)),
      call_(call),
      rail_(call.scope == lhScopeRail),
      element_bytes_(element_bytes) {
  LH_CHECK(!rail_ || topology.equal_sizes());
  LH_CHECK(element_bytes > 0);
  elements_ = is_segmented(call.collective) ? call.count * static_cast<std::uint64_t>(topology.ranks()) : call.count;
  const std::uint64_t bytes = elements_ * element_bytes;
  // Eight chunks keep the pipeline busy on smaller calls; below 128 KiB a chunk costs more than it hides.
  const std::uint64_t wanted =
      options.chunk_bytes ? options.chunk_bytes
                          : std::min(kDefaultChunkBytes, std::max<std::uint64_t>(128 << 10, ceil_div(bytes, 8)));
  // 16-bit elements may travel as fp32 sums, and a slot holds one chunk.
  const std::uint64_t widest = element_bytes == 2 ? 4 : element_bytes;
  chunk_elements_ = std::max<std::uint64_t>(1, wanted / widest / kBlock) * kBlock;
  chunk_count_ = 0;
  if (!is_segmented(call.collective)) {
    chunk_count_ = ceil_div(elements_, chunk_elements_);
  } else {
    for (int s = 0; s < topology_->sites(); ++s) chunk_count_ += ceil_div(segment(s).count(), chunk_elements_);
  }
}

Range Plan::segment(int site) const {
  const auto first = static_cast<std::uint64_t>(topology_->first_rank(site));
  const auto size = static_cast<std::uint64_t>(topology_->size_of(site));
  return {first * call_.count, (first + size) * call_.count};
}

Chunk Plan::chunk(std::uint64_t index) const {
  LH_CHECK(index < chunk_count_);
  const std::uint64_t all_sites = (std::uint64_t{1} << topology_->sites()) - 1;
  Chunk chunk{.index = index, .range = {}, .source_sites = all_sites, .target_sites = all_sites};
  Range within{0, elements_};
  if (is_segmented(call_.collective)) {
    int site = 0;
    for (;; ++site) {
      within = segment(site);
      const std::uint64_t chunks = ceil_div(within.count(), chunk_elements_);
      if (index < chunks) break;
      index -= chunks;
    }
    (call_.collective == Collective::AllGather ? chunk.source_sites : chunk.target_sites) = std::uint64_t{1} << site;
  } else if (call_.collective == Collective::Broadcast) {
    chunk.source_sites = std::uint64_t{1} << topology_->site_of(call_.root);
  }
  chunk.range.begin = within.begin + index * chunk_elements_;
  chunk.range.end = std::min(within.end, chunk.range.begin + chunk_elements_);
  return chunk;
}

std::uint64_t Plan::divisor() const {
  if (call_.op != lhAvg || !call_.reduces()) return 1;
  return static_cast<std::uint64_t>(rail_ ? topology_->sites() : topology_->ranks());
}

Range Plan::contribution(int site, int group_rank) const {
  const auto rank = static_cast<std::uint64_t>(global_rank(site, group_rank));
  if (call_.collective == Collective::AllGather) return {rank * call_.count, (rank + 1) * call_.count};
  if (call_.collective == Collective::Broadcast && static_cast<int>(rank) != call_.root) return {};
  return {0, elements_};
}

Range Plan::want(int site, int group_rank) const {
  const auto rank = static_cast<std::uint64_t>(global_rank(site, group_rank));
  if (call_.collective == Collective::ReduceScatter) return {rank * call_.count, (rank + 1) * call_.count};
  return {0, elements_};
}

Range Plan::part(const Chunk& chunk, int site, int group_rank) const {
  const auto n = static_cast<std::uint64_t>(group_size(site));
  const auto i = static_cast<std::uint64_t>(group_rank);
  return {cut(chunk.range, i, n), cut(chunk.range, i + 1, n)};
}

std::uint64_t Plan::piece_end(const Chunk& chunk, std::uint64_t begin) const {
  std::uint64_t end = chunk.range.end;
  for (int s = 0; s < topology_->sites(); ++s) {
    const auto n = static_cast<std::uint64_t>(group_size(s));
    for (std::uint64_t i = 1; i < n; ++i) {
      const std::uint64_t at = cut(chunk.range, i, n);
      if (at > begin && at < end) end = at;
    }
  }
  return end;
}

std::vector<int> wan_peers(const Topology& topology, int rank) {
  std::vector<int> peers;
  const int own_site = topology.site_of(rank);
  const int own_size = topology.size_of(own_site);
  const int own = topology.site_rank_of(rank);
  for (int site = 0; site < topology.sites(); ++site) {
    if (site == own_site) continue;
    const int size = topology.size_of(site);
    for (int j = 0; j < size; ++j) {
      // Shares [own, own + 1) / own_size and [j, j + 1) / size of a chunk overlap. A block belongs to the rank whose share
      // holds its end, so this covers every chunk however few blocks it has.
      if (own * size < (j + 1) * own_size && j * own_size < (own + 1) * size) peers.push_back(topology.rank(site, j));
    }
  }
  return peers;
}

}  // namespace longhaul::plan
