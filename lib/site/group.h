// SPDX-License-Identifier: Apache-2.0
// Group: the in-site half of a collective on host memory, one chunk at a time, over Channels. "Collect" brings every rank's
// contribution to the owner of a part and combines them in siteRank order (never in arrival order, so that results are
// reproducible); "distribute" brings the finished parts to whoever wants them. Every step is polled and never blocks.
//
// Order: all ranks collect their chunks in the same order; results may be distributed in any order.
#pragma once

#include <longhaul/longhaul.h>

#include <memory>
#include <span>
#include <vector>

#include "base/range.h"
#include "site/channel.h"

namespace longhaul::site {

using wire::kContribution;
using wire::kResult;

/// One chunk of one call, as this rank sees it. Filled from the plan; spans are indexed by siteRank.
struct ChunkTask {
  Message message;  ///< operation, signature and chunk identify it on the wire
  lhDataType_t type = lhFloat32;
  lhRedOp_t op = lhSum;
  bool reduce = true;                    ///< false: contributions are disjoint pieces to be copied (all-gather, broadcast)
  std::span<const Range> parts;          ///< what each rank of the site owns of this chunk
  std::span<const Range> contributions;  ///< what each rank contributes (of the whole buffer)
  std::span<const Range> wants;          ///< what each rank receives (of the whole buffer)
  const std::byte* send = nullptr;       ///< at element contributions[rank].begin
};

enum class Collected {
  Waiting,   ///< a contribution is missing
  Done,      ///< `out` holds this rank's part; the messages were consumed
  Mismatch,  ///< the head message of some rank belongs to another call: see mismatched_peer()
};

class Group {
 public:
  /// channels[i] leads to siteRank i; the own entry is null.
  Group(int rank, std::vector<std::unique_ptr<Channel>> channels);

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(channels_.size()); }
  Channel& channel(int peer) { return *channels_[static_cast<std::size_t>(peer)]; }

  /// Sends this rank's contributions to the owners, starting at *next (0 on the first call; the function advances it, so a
  /// full channel resumes there). True when all were sent.
  bool send_contributions(const ChunkTask& task, int* next);
  /// Combines all contributions to this rank's part into `out`: in the call's type, or with `as_float` as fp32 sums of a
  /// float type (what a lossy codec encodes). Reduction order: siteRank 0, 1, 2, ... No division here, also for lhAvg.
  Collected collect(const ChunkTask& task, std::byte* out, bool as_float);
  int mismatched_peer() const { return mismatched_peer_; }

  /// Sends this rank's finished part (`part` points at element parts[rank].begin, call's type) to every other rank that
  /// wants some of it. *next as above.
  bool send_result(const ChunkTask& task, const std::byte* part, int* next);

  /// Instead of a part, where parts do not travel through channels: says to every other rank that this rank's part is finished.
  bool send_ready(const ChunkTask& task, int* next);

  /// Runs progress() of every channel.
  bool progress(TimeNs now);
  bool arm();
  void append_wait_fds(std::vector<pollfd>& fds) const;
  TimeNs next_event() const;
  std::size_t memory_bytes() const;

 private:
  Collected find_sources(const ChunkTask& task);
  void copy_pieces(const ChunkTask& task, std::byte* out, bool as_float);

  int rank_;
  int mismatched_peer_ = -1;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<const void*> sources_;  // scratch of collect(), sized once
};

}  // namespace longhaul::site
