// SPDX-License-Identifier: Apache-2.0
// ChunkRun: one chunk of one operation in flight at this rank, and the WAN half of its work (encode, send, combine). The in-site
// half is site::Group. Reused, never reallocated.
//
//   Collect ----own part reduced and encoded----> Exchange ----all sites in, combined----> Distribute ----> Done
//      (a site with nothing to contribute starts in Exchange; one that wants nothing ends after its sends)
#pragma once

#include <array>
#include <vector>

#include "codec/codec.h"
#include "engine/members.h"
#include "engine/ranges.h"
#include "engine/request.h"
#include "engine/trace.h"
#include "link/session.h"
#include "plan/plan.h"
#include "site/group.h"
#include "site/nccl/staging.h"
#include "transport/transport.h"

namespace longhaul::engine {

struct Operation;

enum class Stage : std::uint8_t { Collect, Exchange, Distribute, Done };

/// A payload received over the WAN and not used up yet, with what it owes its session.
struct Held {
  int rank = -1;
  wire::Message message;
  transport::Inbound inbound;
  std::array<std::byte, wire::kMaxInlineBytes> inline_bytes;
  std::size_t inline_size = 0;
  link::Session* session = nullptr;
  std::uint64_t cost = 0;

  ConstBytes bytes() const { return inline_size ? ConstBytes(inline_bytes).first(inline_size) : inbound.bytes(); }
  /// Gives the memory back and tells the session so.
  void consume() {
    inbound = {};
    if (session) session->consumed(cost);
    session = nullptr;
  }
};

struct ChunkRun {
  Operation* operation = nullptr;
  plan::Chunk chunk;
  Stage stage = Stage::Done;
  site::ChunkTask task;
  std::vector<Range> parts, contributions, wants;  // by siteRank, of this site
  Range part;                                      // what this rank owns
  Range want;                                      // of the whole buffer

  bool collected = false;
  link::Blob own;                       // this rank's contribution as it crosses the WAN
  std::uint32_t own_codec = lhCodecNone;
  std::vector<Held> arrivals;           // contributions of other sites
  std::uint64_t missing = 0;            // their elements still to come

  site::Slot* staged = nullptr;         // calls on device memory
  bool released = false;                // staged: its distribution may run
  bool encoded_again = false, combining = false;  // by the GPU: what its codec refused; what all sites sent
  link::Blob result_slot;               // where the result is not wanted here as a whole
  std::byte* result = nullptr;          // this rank's finished part
  std::uint64_t results_missing = 0;    // elements of other owners' parts still to come; staged: ranks whose part is not finished

  int next_contribution = 0, next_result = 0;  // cursors of site::Group
  int next_site = 0, next_member = 0;          // cursor of WAN sends
  bool wan_sent = false;
  Marks marks{};  // only where there is a trace
  StageRange range;  // only where a tool listens
};

/// Pure-ish helpers over a ChunkRun; all on the engine's thread.
class ChunkWork {
 public:
  /// `scratch_values`: fp32 values the largest part can have.
  ChunkWork(const Members& members, link::BlobPool* blobs, std::size_t scratch_values);

  void start(ChunkRun* run, Operation* operation, std::uint64_t index) const;

  /// In-site collection and encoding of the own part. Returns Waiting also where no send slot is free.
  site::Collected collect(ChunkRun* run, site::Group* group);
  /// Whether `bytes`, said to be of this codec (a message's id), are a contribution of `overlap` to the call.
  bool fits(const ChunkRun& run, const Range& overlap, std::uint32_t codec, ConstBytes bytes) const;
  /// What this rank expects from a rank of another site.
  Range expected_overlap(const ChunkRun& run, int rank) const;

  /// The next contribution to send: rank and payload, or rank -1 when all are sent.
  struct Outgoing {
    int rank = -1;
    Range overlap;
    ConstBytes payload;
  };
  Outgoing next_outgoing(ChunkRun* run) const;
  static void advance_outgoing(ChunkRun* run) { ++run->next_member; }

  /// Sums all sites in index order into `run->result`. False: no slot for the result, try again later (or there is trouble).
  bool combine(ChunkRun* run);

  static codec::Rotation rotation_of(const ChunkRun& run);
  /// The bytes of one piece as contributed by `site`, and their codec. All contributions are there and fit.
  ConstBytes piece_of(const ChunkRun& run, int site, const Range& piece, std::uint32_t* codec) const;

  /// Not ok once a plug-in codec has failed: the communicator must, too.
  const Status& trouble() const { return trouble_; }

 private:
  /// The codec of a message's id; null where values travel as they are.
  static const codec::Codec* codec_of(const ChunkRun& run, std::uint32_t id);
  const float* add_feedback(const ChunkRun& run, const float* values);
  bool encode(ChunkRun* run, const codec::Codec& codec, const float* values);
  bool keep_feedback(const ChunkRun& run, const codec::Codec& codec, const Range& piece, const float* values, ConstBytes blob);
  /// Of what was found to be a blob. False: there is trouble.
  bool decode(const codec::Codec& codec, ConstBytes blob, std::uint64_t count, bool first, float* sum);
  void combine_exact(ChunkRun* run);
  bool combine_lossy(ChunkRun* run);
  bool combine_piece(const ChunkRun& run, const Range& piece, const codec::Codec& agreed, float* sum);
  /// Where element `at` begins in `bytes`, which hold the blobs of `held`; kNone where they do not.
  std::size_t offset_in(const ChunkRun& run, ConstBytes bytes, const Range& held, std::uint64_t at, std::uint32_t codec) const;
  ConstBytes part_of(const ChunkRun& run, ConstBytes bytes, const Range& held, const Range& wanted, std::uint32_t codec) const;
  bool place_result(ChunkRun* run);

  const Members& members_;
  link::BlobPool* blobs_;
  std::vector<float> scratch_;
  std::vector<float> decoded_;  // what was encoded, for error feedback; empty until a call asks for that
  std::vector<const void*> sources_;
  Status trouble_;
};

}  // namespace longhaul::engine
