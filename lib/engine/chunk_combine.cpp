// SPDX-License-Identifier: Apache-2.0
// The second half of a chunk's life: all sites' contributions to the own part are combined, in site order, piece by piece.
#include <cstring>

#include "engine/chunk_run.h"
#include "engine/operation.h"
#include "kernels/reduce.h"

namespace longhaul::engine {

/// The finished part goes straight to the user's buffer where this rank wants all of it, else to a slot.
bool ChunkWork::place_result(ChunkRun* run) {
  if (run->result) return true;
  if (run->staged) {
    run->result = run->staged->out;
    return true;
  }
  const std::size_t element = run->operation->plan->element_bytes();
  if (run->want.contains(run->part)) {
    run->result = run->operation->request->recv + (run->part.begin - run->want.begin) * element;
    return true;
  }
  run->result_slot = blobs_->acquire();
  if (!run->result_slot) return false;
  run->result = run->result_slot.memory().data();
  return true;
}

bool ChunkWork::combine(ChunkRun* run) {
  const plan::Plan& plan = *run->operation->plan;
  const plan::Call& call = plan.call();
  if (run->part.empty()) return true;
  if (!place_result(run)) return false;
  if (!plan.exchanges()) {
    const void* source = run->result;
    const bool divided = plan.element_bytes() == 2 && !run->staged;  // with the rounding of its 16-bit floats, see collect()
    if (plan.divisor() > 1 && !divided) kernels::reduce(run->result, {&source, 1}, run->part.count(), call.type, call.op, plan.divisor());
  } else if (run->operation->wire_codec == lhCodecNone) {
    combine_exact(run);
  } else if (!combine_lossy(run)) {
    return false;
  }
  run->own = {};
  for (Held& held : run->arrivals) held.consume();
  run->arrivals.clear();
  if (run->result_slot) {
    const Range mine = intersect(run->part, run->want);
    const std::size_t element = plan.element_bytes();
    if (!mine.empty())
      std::memcpy(run->operation->request->recv + (mine.begin - run->want.begin) * element, run->result + (mine.begin - run->part.begin) * element,
                  mine.count() * element);
  }
  return true;
}

ConstBytes ChunkWork::piece_of(const ChunkRun& run, int site, const Range& piece, std::uint32_t* codec) const {
  *codec = run.own_codec;
  if (site == run.operation->plan->site()) return part_of(run, run.own.memory(), run.part, piece, run.own_codec);
  for (const Held& held : run.arrivals) {
    if (members_.topology.site_of(held.rank) != site) continue;
    const Range overlap = expected_overlap(run, held.rank);
    if (!overlap.contains(piece)) continue;
    *codec = held.message.codec;
    return part_of(run, held.bytes(), overlap, piece, *codec);
  }
  LH_CHECK(false && "combine() called before all contributions arrived");
  return {};
}

void ChunkWork::combine_exact(ChunkRun* run) {
  const plan::Plan& plan = *run->operation->plan;
  const plan::Call& call = plan.call();
  for (Range piece{run->part.begin, 0}; piece.begin < run->part.end; piece.begin = piece.end) {
    piece.end = plan.piece_end(run->chunk, piece.begin);
    std::byte* out = run->result + (piece.begin - run->part.begin) * plan.element_bytes();
    sources_.clear();
    std::uint32_t codec = 0;
    for (int site = 0; site < plan.sites(); ++site)
      if (run->chunk.from(site)) sources_.push_back(piece_of(*run, site, piece, &codec).data());
    if (call.reduces())
      kernels::reduce(out, sources_, piece.count(), call.type, call.op, plan.divisor());
    else
      std::memcpy(out, sources_.front(), piece.count() * plan.element_bytes());
  }
}

bool ChunkWork::combine_lossy(ChunkRun* run) {
  const plan::Plan& plan = *run->operation->plan;
  const lhDataType_t type = plan.call().type;
  const codec::Codec& agreed = *run->operation->codec;
  for (Range piece{run->part.begin, 0}; piece.begin < run->part.end; piece.begin = piece.end) {
    piece.end = plan.piece_end(run->chunk, piece.begin);
    std::byte* out = run->result + (piece.begin - run->part.begin) * plan.element_bytes();
    // A rotating codec sums whole blocks, which reach beyond the piece.
    float* sum = type == lhFloat32 && !agreed.rotates() ? reinterpret_cast<float*>(out) : scratch_.data();
    if (!combine_piece(*run, piece, agreed, sum)) return false;
    kernels::from_float(out, sum, piece.count(), type, plan.divisor());
  }
  return true;
}

/// Sums one piece of all sites, in their order. Rotated blobs come first, because their sum is rotated back once; what the codec
/// refused, and which therefore came as the fallback, is added to that.
bool ChunkWork::combine_piece(const ChunkRun& run, const Range& piece, const codec::Codec& agreed, float* sum) {
  const int sites = run.operation->plan->sites();
  bool first = true;
  for (const bool rotated : {true, false}) {
    for (int site = 0; site < sites; ++site) {
      std::uint32_t id = 0;
      const ConstBytes blob = piece_of(run, site, piece, &id);
      const codec::Codec& codec = *codec_of(run, id);
      if (codec.rotates() != rotated) continue;
      if (!decode(codec, blob, piece.count(), first, sum)) return false;
      first = false;
    }
    if (rotated && !first) agreed.finish(sum, piece.count(), rotation_of(run));
  }
  return true;
}

}  // namespace longhaul::engine
