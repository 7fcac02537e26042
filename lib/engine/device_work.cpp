// SPDX-License-Identifier: Apache-2.0
#include "engine/device_work.h"

#include <algorithm>
#include <cstring>

#include "engine/operation.h"
#include "kernels/reduce.h"

namespace longhaul::engine {
namespace {

/// step(i, piece) of every piece of this rank's part.
template <typename Step>
void each_piece(const ChunkRun& run, const Step& step) {
  const plan::Plan& plan = *run.operation->plan;
  std::size_t i = 0;
  for (Range piece{run.part.begin, 0}; piece.begin < run.part.end; piece.begin = piece.end) {
    piece.end = plan.piece_end(run.chunk, piece.begin);
    step(i++, piece);
  }
}

/// Where a call has error feedback its residuals take `in`.
std::byte* pinned_blobs(const ChunkRun& run) { return run.operation->request->feedback ? run.staged->out : run.staged->in; }

template <typename T>
T* as(std::byte* memory) {
  return reinterpret_cast<T*>(memory);
}

}  // namespace

/// The worst that can come must fit: a codec that refuses is found out on the GPU, and what other sites send only when it is there.
bool DeviceWork::takes(const ChunkRun& run) const {
  const plan::Plan& plan = *run.operation->plan;
  const codec::Codec* codec = run.operation->codec;
  if (!device_->has_codecs() || !plan.exchanges() || run.part.empty() || plan.sites() > kernels::gpu::kMostBlobs) return false;
  if (!codec || codec->foreign || !codec::find(codec->id) || !kernels::is_codec_float(plan.call().type)) return false;
  for (int site = 0; site < plan.sites(); ++site)
    if (!run.chunk.from(site)) return false;
  std::size_t pieces = 0, own = 0, largest = 0;
  each_piece(run, [&](std::size_t, const Range& piece) {
    const std::size_t coded = codec->most_bytes(piece.count()), fallback = codec::fallback().most_bytes(piece.count());
    own += coded;
    largest += std::max(coded, fallback);
    ++pieces;
  });
  const site::Staging& staging = device_->staging();
  const bool feedback = run.operation->request->feedback != nullptr;
  const std::size_t pinned = feedback ? staging.slot_bytes() : staging.arrivals_bytes();
  const std::size_t room = std::min(staging.blobs_bytes(), pinned);
  return pieces <= site::kMostPieces && own <= room && largest <= room &&
         largest * static_cast<std::size_t>(plan.sites() - 1) <= staging.arrivals_bytes();
}

void DeviceWork::prepare(ChunkRun* run) {
  if (!run->chunk.from(run->operation->plan->site()) || !takes(*run)) return;
  run->staged->by_gpu = true;
  encode_as(run, *run->operation->codec);
  ++chunks_;
}

void DeviceWork::encode_as(ChunkRun* run, const codec::Codec& codec) const {
  const plan::Plan& plan = *run->operation->plan;
  site::Slot& slot = *run->staged;
  site::Coding& coding = slot.encoding;
  FeedbackState* feedback = run->operation->request->feedback;
  coding.clear();
  *slot.control = {};
  coding.before.push_back({slot.device_control, slot.control, sizeof(site::Control)});
  std::size_t size = 0;
  each_piece(*run, [&](std::size_t i, const Range& piece) {
    const std::uint64_t at = piece.begin - run->part.begin;
    kernels::gpu::Encode job{.codec = codec.id,
                             .type = plan.call().type,
                             .values = slot.collected_at + at * plan.element_bytes(),
                             .count = piece.count(),
                             .rotation = ChunkWork::rotation_of(*run),
                             .blob = slot.blobs + size,
                             .work = slot.work,
                             .refused = &slot.device_control->refused,
                             .bytes = &slot.device_control->bytes[i]};
    if (feedback) {
      job.residual = as<std::uint16_t>(slot.in) + at;
      job.next_residual = as<std::uint16_t>(slot.arrivals) + at;
    }
    coding.encodes.push_back(job);
    size += codec.most_bytes(piece.count());
  });
  coding.after.push_back({slot.control, slot.device_control, sizeof(site::Control)});
  coding.after.push_back({pinned_blobs(*run), slot.blobs, size});
  if (!feedback) return;
  const std::size_t residuals = run->part.count() * sizeof(std::uint16_t);
  std::memcpy(slot.in, feedback->before(run->chunk.index), residuals);
  coding.after.push_back({slot.in, slot.arrivals, residuals});  // over what was read
}

site::Collected DeviceWork::collect(ChunkRun* run) {
  site::Slot& slot = *run->staged;
  if (run->encoded_again && !device_->coded(slot)) return site::Collected::Waiting;
  if (slot.control->refused != 0 && !run->encoded_again) {
    encode_as(run, codec::fallback());
    run->encoded_again = true;
    device_->code(&slot, slot.encoding);
    return site::Collected::Waiting;
  }
  if (!run->own && !(run->own = blobs_->acquire())) return site::Collected::Waiting;
  std::byte* out = run->own.memory().data();
  const std::byte* pinned = pinned_blobs(*run);
  for (std::size_t i = 0; i < slot.encoding.encodes.size(); ++i) {
    const std::size_t bytes = slot.control->bytes[i];
    LH_CHECK(out + bytes <= run->own.memory().data() + run->own.memory().size());
    std::memcpy(out, pinned + (slot.encoding.encodes[i].blob - slot.blobs), bytes);
    out += bytes;
  }
  if (FeedbackState* feedback = run->operation->request->feedback)
    std::memcpy(feedback->after(run->chunk.index), slot.in, run->part.count() * sizeof(std::uint16_t));
  run->own_codec = static_cast<std::uint32_t>(slot.encoding.encodes.front().codec);
  run->collected = true;
  return site::Collected::Done;
}

/// From here on the arrivals are in pinned memory, and nobody needs them any more.
void DeviceWork::start_combining(ChunkRun* run) const {
  const plan::Plan& plan = *run->operation->plan;
  site::Slot& slot = *run->staged;
  site::Coding& coding = slot.combining;
  coding.clear();
  std::size_t size = 0;
  each_piece(*run, [&](std::size_t i, const Range& piece) {
    kernels::gpu::Combine job{.codec = run->operation->codec->id,
                              .sites = plan.sites(),
                              .count = piece.count(),
                              .rotation = ChunkWork::rotation_of(*run),
                              .divisor = plan.divisor(),
                              .type = plan.call().type,
                              .result = slot.delivered_at + (piece.begin - run->part.begin) * plan.element_bytes()};
    for (int site = 0; site < plan.sites(); ++site) {
      std::uint32_t codec = run->own_codec;
      const std::byte* blob = slot.encoding.encodes[i].blob;
      if (site != plan.site()) {
        const ConstBytes arrived = work_.piece_of(*run, site, piece, &codec);
        LH_CHECK(size + arrived.size() <= device_->staging().arrivals_bytes());
        std::memcpy(slot.in + size, arrived.data(), arrived.size());
        blob = slot.arrivals + size;
        size += arrived.size();
      }
      job.blobs[site] = blob;
      job.fell_back[site] = codec != run->operation->wire_codec;
    }
    coding.combines.push_back(job);
  });
  coding.before.push_back({slot.arrivals, slot.in, size});
  device_->code(&slot, coding);
}

bool DeviceWork::combine(ChunkRun* run) {
  if (!run->combining) {
    start_combining(run);
    run->combining = true;
    run->own = {};
    for (Held& held : run->arrivals) held.consume();
    run->arrivals.clear();
  }
  return device_->coded(*run->staged);
}

}  // namespace longhaul::engine
