// SPDX-License-Identifier: Apache-2.0
// The first half of a chunk's life: start, collect, encode, send. The second half: chunk_combine.cpp.
#include "engine/chunk_run.h"

#include <cstring>

#include "engine/operation.h"
#include "kernels/feedback.h"
#include "kernels/reduce.h"

namespace longhaul::engine {

ChunkWork::ChunkWork(const Members& members, link::BlobPool* blobs, std::size_t scratch_values)
    : members_(members), blobs_(blobs), scratch_(scratch_values) {
  sources_.reserve(static_cast<std::size_t>(members.topology.sites()));
}

void ChunkWork::start(ChunkRun* run, Operation* operation, std::uint64_t index) const {
  const plan::Plan& plan = *operation->plan;
  const plan::Call& call = plan.call();
  const int site = plan.site(), rank = plan.group_rank(), size = plan.group_size(site);
  run->operation = operation;
  run->chunk = plan.chunk(index);
  run->parts.clear();
  run->contributions.clear();
  run->wants.clear();
  for (int i = 0; i < size; ++i) {
    run->parts.push_back(plan.part(run->chunk, site, i));
    run->contributions.push_back(plan.contribution(site, i));
    run->wants.push_back(plan.want(site, i));
  }
  run->part = run->parts[static_cast<std::size_t>(rank)];
  run->want = run->wants[static_cast<std::size_t>(rank)];
  run->task = {.message = {.kind = 0,
                           .chunk = static_cast<std::uint32_t>(index),
                           .operation = operation->sequence,
                           .signature = operation->signature,
                           .begin = 0,
                           .codec = lhCodecNone},
               .type = call.type,
               .op = call.op,
               .reduce = call.reduces(),
               .parts = run->parts,
               .contributions = run->contributions,
               .wants = run->wants,
               .send = operation->request->send};
  run->collected = !run->chunk.from(site);
  run->wan_sent = run->collected || plan.sites() == 1;
  run->stage = run->collected ? Stage::Exchange : Stage::Collect;
  run->own_codec = operation->wire_codec;
  run->arrivals.clear();
  run->missing = run->results_missing = 0;
  run->result = nullptr;
  run->staged = nullptr;
  run->released = run->encoded_again = run->combining = false;
  run->next_contribution = run->next_result = run->next_site = run->next_member = 0;
  if (!run->chunk.to(site)) return;
  for (int t = 0; t < plan.sites(); ++t)
    if (t != site && run->chunk.from(t)) run->missing += run->part.count();
  for (int i = 0; i < size; ++i)
    if (i != rank) run->results_missing += intersect(run->parts[static_cast<std::size_t>(i)], run->want).count();
}

site::Collected ChunkWork::collect(ChunkRun* run, site::Group* group) {
  const plan::Plan& plan = *run->operation->plan;
  // What a GPU's site has collected lies in pinned memory, as if this rank were alone with it.
  const bool alone = run->staged || plan.group_size(plan.site()) == 1;
  const bool sent = alone || group->send_contributions(run->task, &run->next_contribution);
  if (!run->collected && !run->part.empty()) {
    const codec::Codec* codec = plan.exchanges() ? run->operation->codec : nullptr;
    const float* values = scratch_.data();  // what is encoded
    std::byte* out = nullptr;
    // The place of the result comes first: if later chunks could take the last slots, this one could never be finished.
    if (run->chunk.to(plan.site()) && !place_result(run)) return site::Collected::Waiting;
    if (plan.exchanges()) {
      if (!run->own && !(run->own = blobs_->acquire())) return site::Collected::Waiting;
      out = codec ? reinterpret_cast<std::byte*>(scratch_.data()) : run->own.memory().data();
    } else {
      out = run->result;
    }
    if (!alone) {
      // The average of one site's 16-bit floats is rounded once, after the division.
      const bool halves = !plan.exchanges() && plan.divisor() > 1 && plan.element_bytes() == 2 && kernels::is_codec_float(run->task.type);
      std::byte* into = halves ? reinterpret_cast<std::byte*>(scratch_.data()) : out;
      const site::Collected collected = group->collect(run->task, into, codec != nullptr || halves);
      if (collected != site::Collected::Done) return collected;
      if (halves) kernels::from_float(out, scratch_.data(), run->part.count(), run->task.type, plan.divisor());
    } else {
      const auto offset = (run->part.begin - run->contributions[0].begin) * plan.element_bytes();
      const void* source = run->staged ? run->staged->in : run->task.send + offset;
      if (codec && plan.call().type == lhFloat32)
        values = static_cast<const float*>(source);
      else if (codec)
        kernels::sum_to_float(scratch_.data(), {&source, 1}, run->part.count(), plan.call().type);
      else if (source != out)
        std::memcpy(out, source, run->part.count() * plan.element_bytes());
    }
    if (codec && run->operation->request->feedback) values = add_feedback(*run, values);
    if (codec && !encode(run, *codec, values) && trouble_.ok()) LH_CHECK(encode(run, codec::fallback(), values));
    if (!trouble_.ok()) return site::Collected::Waiting;
  }
  run->collected = true;
  return sent ? site::Collected::Done : site::Collected::Waiting;
}

/// Adds what earlier calls lost of this part; the sum lies in scratch_.
const float* ChunkWork::add_feedback(const ChunkRun& run, const float* values) {
  kernels::add_residual(values, run.operation->request->feedback->before(run.chunk.index), run.part.count(), scratch_.data());
  return scratch_.data();
}

/// What this encoding lost of a piece, while its values are still in the cache.
bool ChunkWork::keep_feedback(const ChunkRun& run, const codec::Codec& codec, const Range& piece, const float* values, ConstBytes blob) {
  if (decoded_.empty()) decoded_.resize(scratch_.size());
  if (!decode(codec, blob, piece.count(), true, decoded_.data())) return false;
  codec.finish(decoded_.data(), piece.count(), rotation_of(run));
  std::uint16_t* residual = run.operation->request->feedback->after(run.chunk.index) + (piece.begin - run.part.begin);
  kernels::keep_residual(values, decoded_.data(), piece.count(), residual);
  return true;
}

/// Piece by piece, so that every rank finds the same blobs whatever its site's size. What the codec refuses (NaN, Inf) makes the
/// whole part fall back.
bool ChunkWork::encode(ChunkRun* run, const codec::Codec& codec, const float* values) {
  const plan::Plan& plan = *run->operation->plan;
  std::byte* out = run->own.memory().data();
  for (std::uint64_t at = run->part.begin; at < run->part.end;) {
    const std::uint64_t end = plan.piece_end(run->chunk, at);
    const std::size_t bytes = codec.encode(values + (at - run->part.begin), end - at, rotation_of(*run), out);
    if (bytes == codec::kBroken) trouble_ = codec.foreign->trouble();
    if (bytes == codec::kNone || bytes == codec::kBroken) return false;
    if (run->operation->request->feedback && !keep_feedback(*run, codec, {at, end}, values + (at - run->part.begin), {out, bytes})) return false;
    out += bytes;
    at = end;
  }
  run->own_codec = static_cast<std::uint32_t>(codec.id);
  return true;
}

const codec::Codec* ChunkWork::codec_of(const ChunkRun& run, std::uint32_t id) {
  return id == run.operation->wire_codec ? run.operation->codec : codec::on_wire(id);
}

bool ChunkWork::decode(const codec::Codec& codec, ConstBytes blob, std::uint64_t count, bool first, float* sum) {
  if (codec.decode_add(blob, count, first, sum)) return true;
  LH_CHECK(codec.foreign && !codec.foreign->trouble().ok());
  trouble_ = codec.foreign->trouble();
  return false;
}

/// Equal at every site, as the calls and their numbers are; and in a run that continues from a checkpoint with the number of then.
codec::Rotation ChunkWork::rotation_of(const ChunkRun& run) {
  return {.key = run.operation->signature, .operation = run.operation->request->call.number, .chunk = static_cast<std::uint32_t>(run.chunk.index)};
}

std::size_t ChunkWork::offset_in(const ChunkRun& run, ConstBytes bytes, const Range& held, std::uint64_t at, std::uint32_t codec) const {
  const plan::Plan& plan = *run.operation->plan;
  const codec::Codec* coded = codec_of(run, codec);
  if (!coded) return (at - held.begin) * plan.element_bytes();
  std::size_t offset = 0;
  for (std::uint64_t begin = held.begin; begin < at;) {
    const std::uint64_t end = plan.piece_end(run.chunk, begin);
    const std::size_t blob = coded->blob_bytes(bytes.subspan(offset), end - begin);
    if (blob == codec::kNone) return codec::kNone;
    offset += blob;
    begin = end;
  }
  return offset;
}

ConstBytes ChunkWork::part_of(const ChunkRun& run, ConstBytes bytes, const Range& held, const Range& wanted, std::uint32_t codec) const {
  const std::size_t begin = offset_in(run, bytes, held, wanted.begin, codec);
  return bytes.subspan(begin, offset_in(run, bytes, held, wanted.end, codec) - begin);
}

bool ChunkWork::fits(const ChunkRun& run, const Range& overlap, std::uint32_t codec, ConstBytes bytes) const {
  const std::uint32_t agreed = run.operation->wire_codec;
  const bool fallback = agreed != lhCodecNone && agreed != codec::kFloatSums && codec == static_cast<std::uint32_t>(codec::fallback().id);
  return (codec == agreed || fallback) && offset_in(run, bytes, overlap, overlap.end, codec) == bytes.size();
}

Range ChunkWork::expected_overlap(const ChunkRun& run, int rank) const {
  const plan::Plan& plan = *run.operation->plan;
  const int site = members_.topology.site_of(rank);
  if (site == plan.site() || !run.chunk.from(site) || !run.chunk.to(plan.site())) return {};
  const bool rail = plan.call().scope == lhScopeRail;
  if (rail && plan.global_rank(site, 0) != rank) return {};
  return intersect(run.part, plan.part(run.chunk, site, rail ? 0 : members_.topology.site_rank_of(rank)));
}

ChunkWork::Outgoing ChunkWork::next_outgoing(ChunkRun* run) const {
  const plan::Plan& plan = *run->operation->plan;
  for (; run->next_site < plan.sites(); ++run->next_site, run->next_member = 0) {
    const int site = run->next_site;
    if (site == plan.site() || !run->chunk.to(site)) continue;
    for (; run->next_member < plan.group_size(site); ++run->next_member) {
      const Range overlap = intersect(run->part, plan.part(run->chunk, site, run->next_member));
      if (overlap.empty()) continue;
      return {plan.global_rank(site, run->next_member), overlap, part_of(*run, run->own.memory(), run->part, overlap, run->own_codec)};
    }
  }
  return {};
}

}  // namespace longhaul::engine
