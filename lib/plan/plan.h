// SPDX-License-Identifier: Apache-2.0
// Plan: the immutable answer to "how does this call move": which chunks, who owns which part of a chunk, which pieces cross
// between which ranks. A pure function of (topology, call, options), equal on all ranks, so nobody negotiates anything.
//
// A chunk is a run of elements of the whole buffer. In a site of n ranks, rank i owns the i-th of n near-equal parts of every
// chunk, cut at multiples of kBlock elements. Ranks of two sites exchange the overlap of their parts: with equal sites that is
// exactly the rail peer, and with 3 + 2 ranks every rank still works. The union of all sites' cuts divides a chunk into
// pieces; every part and every overlap is a run of whole pieces, and a codec encodes piece by piece, so that all sites decode
// the same blobs whatever their sizes.
//
//   site of 3   |---- part 0 ----|---- part 1 ----|---- part 2 ----|
//   site of 2   |------- part 0 --------|------- part 1 -----------|
//   pieces      |       p0       |  p1  |    p2   |       p3       |
#pragma once

#include <vector>

#include "base/range.h"
#include "plan/call.h"
#include "plan/topology.h"

namespace longhaul::plan {

/// Largest block of any codec, in values.
constexpr std::uint64_t kBlock = 1024;

struct Options {
  std::uint64_t chunk_bytes = 0;  ///< 0: an eighth of the call, between 128 KiB and kDefaultChunkBytes
};

/// Upper bound of a chunk's bytes where nothing is configured.
constexpr std::uint64_t kDefaultChunkBytes = 512 << 10;

struct Chunk {
  std::uint64_t index = 0;
  Range range;
  std::uint64_t source_sites = 0;  ///< bit s: site s has something to contribute
  std::uint64_t target_sites = 0;  ///< bit s: site s wants the result

  bool from(int site) const { return source_sites >> site & 1; }
  bool to(int site) const { return target_sites >> site & 1; }
};

class Plan {
 public:
  /// `rank` is this rank; the topology must outlive the plan (a plan allocates nothing); element_bytes = size of one element of call.type.
  Plan(const Topology& topology, int rank, const Call& call, std::uint64_t element_bytes, const Options& options);

  const Call& call() const { return call_; }
  std::uint64_t element_bytes() const { return element_bytes_; }
  /// Elements of the whole buffer: count, or ranks * count for ReduceScatter and AllGather.
  std::uint64_t elements() const { return elements_; }
  std::uint64_t chunk_count() const { return chunk_count_; }
  std::uint64_t chunk_bytes() const { return chunk_elements_ * element_bytes_; }
  Chunk chunk(std::uint64_t index) const;

  /// In the rail scope every site counts as one rank: this rank's rail peer there.
  int sites() const { return topology_->sites(); }
  int site() const { return site_; }
  int group_size(int site) const { return rail_ ? 1 : topology_->size_of(site); }
  int group_rank() const { return rail_ ? 0 : topology_->site_rank_of(rank_); }
  int global_rank(int site, int group_rank) const {
    return topology_->rank(site, rail_ ? topology_->site_rank_of(rank_) : group_rank);
  }
  /// Divisor of lhAvg: ranks, or sites in the rail scope; 1 for other operations.
  std::uint64_t divisor() const;

  /// What a rank brings in and what it receives, as ranges of the whole buffer (kind of call, not of chunk).
  Range contribution(int site, int group_rank) const;
  Range want(int site, int group_rank) const;

  /// What group_rank of `site` owns of a chunk.
  Range part(const Chunk& chunk, int site, int group_rank) const;
  /// End of the piece that begins at `begin` (a cut or the chunk's beginning).
  std::uint64_t piece_end(const Chunk& chunk, std::uint64_t begin) const;

  /// True where the call goes through the WAN at all.
  bool exchanges() const { return topology_->sites() > 1; }

 private:
  Range segment(int site) const;  // of the whole buffer, for ReduceScatter and AllGather

  const Topology* topology_;
  int rank_;
  int site_;
  Call call_;
  bool rail_;
  std::uint64_t element_bytes_;
  std::uint64_t elements_;
  std::uint64_t chunk_elements_;
  std::uint64_t chunk_count_;
};

/// Ranks of other sites with which `rank` ever exchanges parts: those whose share of a chunk can overlap its own. At least
/// one in every other site, and its rail peer where sites are equal.
std::vector<int> wan_peers(const Topology& topology, int rank);

}  // namespace longhaul::plan
