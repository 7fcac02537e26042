// SPDX-License-Identifier: Apache-2.0
// What other ranks say. A peer may be ahead of this rank: what belongs to a call or chunk that has not begun here is kept
// (bounded by the credit its session has, and by the rings inside the site). Nothing a peer sends is trusted to fit.
#include <algorithm>
#include <cstring>

#include "engine/engine.h"
#include "engine/session_channel.h"

namespace longhaul::engine {

void Engine::on_link_message(int rank, const link::Delivery& delivery, transport::Inbound payload) {
  // Two ranks of one site on different machines: the session is their in-site channel.
  if (auto* way = in_site(rank) ? dynamic_cast<SessionChannel*>(channel(rank)) : nullptr)
    return way->deliver(delivery, std::move(payload));
  Held held;
  held.rank = rank;
  held.message = delivery.message;
  held.session = links_->session(rank);
  held.cost = delivery.cost;
  held.inbound = std::move(payload);
  held.inline_size = delivery.inline_payload.size();
  std::copy(delivery.inline_payload.begin(), delivery.inline_payload.end(), held.inline_bytes.begin());
  if (failed() && delivery.message.kind != wire::kGoodbye) return held.consume();
  if (delivery.message.kind == wire::kContribution) return on_contribution(std::move(held));
  if (delivery.message.kind == wire::kAnnounce && delivery.message.operation >= next_operation_) {
    early_.push_back({std::move(held), false});
    return;
  }
  handle_control(rank, false, held.message, held.bytes());
  held.consume();
}

void Engine::handle_control(int rank, bool in_site, const wire::Message& message, ConstBytes payload) {
  switch (message.kind) {
    case wire::kAnnounce:
      return on_announcement(rank, in_site, message, payload);
    case wire::kFailure:
      return on_failure_notice(rank, payload);
    case wire::kGoodbye:
      return on_goodbye(rank, message);
    case wire::kLinkRates:
      if (in_site) return on_rates(rank, payload);
      [[fallthrough]];
    default:
      ++counters_.dropped_frames;
  }
}

void Engine::on_contribution(Held held) {
  const wire::Message& message = held.message;
  if (ChunkRun* run = find_chunk(message)) return attach(run, std::move(held));
  const Operation* operation = find(message.operation);
  const bool ahead = message.operation >= next_operation_ || (operation && message.chunk >= operation->chunks_started);
  if (ahead) {
    early_.push_back({std::move(held), false});
  } else {
    ++counters_.dropped_frames;
    held.consume();
  }
}

void Engine::attach(ChunkRun* run, Held held) {
  const Operation& operation = *run->operation;
  // A call that differs is reported by its announcement, which says how; its data is of no use.
  const bool same_call = held.message.signature == operation.signature;
  const Range overlap = work_.expected_overlap(*run, held.rank);
  const bool twice = std::any_of(run->arrivals.begin(), run->arrivals.end(),
                                 [&](const Held& other) { return other.rank == held.rank; });
  if (!same_call || overlap.empty() || twice) {
    ++counters_.dropped_frames;
    return held.consume();
  }
  if (held.message.begin != overlap.begin || held.bytes().empty() || !work_.fits(*run, overlap, held.message.codec, held.bytes())) {
    const std::size_t bytes = held.bytes().size();
    held.consume();
    return fail(error(lhInvalidUsage, "{} sent {} bytes for chunk {} of call #{}, which does not fit: do all sites run the same "
                      "version and configuration?", members_.who(held.rank), bytes, run->chunk.index, operation.sequence));
  }
  run->missing -= overlap.count();
  if (run->missing == 0) mark(run, Mark::Arrived);
  run->arrivals.push_back(std::move(held));
}

namespace {

bool belongs(const wire::Message& message, const Operation& operation, const ChunkRun* run) {
  if (message.operation != operation.sequence) return false;
  const bool announcement = message.kind == wire::kAnnounce;
  return run ? !announcement && message.chunk == run->chunk.index : announcement;
}

}  // namespace

/// Messages kept for a call (run == nullptr: its announcements) or for one of its chunks.
void Engine::take_early(const Operation& operation, ChunkRun* run) {
  for (std::size_t i = 0; i < early_.size();) {
    if (!belongs(early_[i].held.message, operation, run)) {
      ++i;
      continue;
    }
    Early early = std::move(early_[i]);
    if (i + 1 != early_.size()) early_[i] = std::move(early_.back());
    early_.pop_back();
    if (failed()) {
      early.held.consume();
    } else if (run) {
      attach(run, std::move(early.held));
    } else {
      on_announcement(early.held.rank, early.in_site, early.held.message, early.held.bytes());
      early.held.consume();
    }
  }
}

bool Engine::drain_control(int peer) {
  bool moved = false;
  site::Channel& channel = group_->channel(peer);
  const int rank = members_.topology.rank(members_.site(), peer);
  while (const auto received = channel.peek(site::Lane::Control)) {
    moved = true;
    const bool ahead = received->message.kind == wire::kAnnounce && received->message.operation >= next_operation_;
    if (ahead && received->payload.size() <= wire::kMaxInlineBytes && !failed()) {
      Early early;
      early.in_site = true;
      early.held.rank = rank;
      early.held.message = received->message;
      early.held.inline_size = received->payload.size();
      std::copy(received->payload.begin(), received->payload.end(), early.held.inline_bytes.begin());
      early_.push_back(std::move(early));
    } else if (!failed() || received->message.kind == wire::kGoodbye) {
      handle_control(rank, true, received->message, received->payload);
    }
    channel.pop(site::Lane::Control);
  }
  return moved;
}

bool Engine::drain_results(int peer) {
  bool moved = false;
  site::Channel& channel = group_->channel(peer);
  while (const auto received = channel.peek(site::Lane::Distribute)) {
    bool consumed = true;
    moved |= on_result(peer, *received, &consumed);
    if (!consumed || failed()) return moved;
    channel.pop(site::Lane::Distribute);
  }
  return moved;
}

/// Copies a finished part to its place. Not consumed: its chunk has not begun here.
bool Engine::on_result(int peer, const site::Received& received, bool* consumed) {
  const wire::Message& message = received.message;
  ChunkRun* run = find_chunk(message);
  if (!run || run->operation->signature != message.signature) {
    *consumed = message.operation < first_operation_;
    return *consumed;
  }
  if (run->staged) return on_ready(peer, *run, received);
  const Range expected = intersect(run->parts[static_cast<std::size_t>(peer)], run->want);
  const std::size_t element = run->operation->plan->element_bytes();
  if (expected.empty() || message.begin != expected.begin || received.payload.size() != expected.count() * element ||
      run->results_missing < expected.count()) {
    fail(error(lhInternalError, "{} distributed a result that does not fit chunk {} of call #{}",
               members_.who(members_.topology.rank(members_.site(), peer)), message.chunk, message.operation));
    return true;
  }
  std::memcpy(run->operation->request->recv + (expected.begin - run->want.begin) * element, received.payload.data(),
              received.payload.size());
  run->results_missing -= expected.count();
  return true;
}

}  // namespace longhaul::engine
