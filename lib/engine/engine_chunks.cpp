// SPDX-License-Identifier: Apache-2.0
// The chunk pipeline. While chunk k crosses the WAN, k+1 is reduced and encoded and k-1 is decoded and gathered. Chunks are
// started and collected in one order on all ranks (over all calls); everything after that happens as it becomes possible.
#include "engine/engine.h"

namespace longhaul::engine {

bool Engine::start_chunks() {
  bool moved = false;
  for (std::uint64_t s = first_operation_; s < next_operation_; ++s) {
    Operation& operation = *find(s);
    while (operation.chunks_started < operation.plan->chunk_count()) {
      if (next_chunk_ - first_chunk_ == kMaxChunks || !may_start(operation)) return moved;
      // What the call before lost must be known.
      if (FeedbackState* feedback = operation.request->feedback; feedback && !feedback->take_turn(operation.request)) return moved;
      LH_CHECK(next_chunk_ == operation.first_chunk + operation.chunks_started);
      ChunkRun& run = run_at(next_chunk_);
      work_.start(&run, &operation, operation.chunks_started++);
      if (operation.ticket) stage(&run);
      run.marks = {};
      mark(&run, Mark::Begun);
      ++next_chunk_;
      take_early(operation, &run);
      moved = true;
      if (failed()) return true;  // an early contribution did not fit: nothing is left to start
    }
  }
  return moved;
}

bool Engine::collect_chunks() {
  bool moved = false;
  for (; collect_next_ < next_chunk_ && !failed(); ++collect_next_) {
    ChunkRun& run = run_at(collect_next_);
    if (run.stage != Stage::Collect) continue;  // nothing to contribute here
    if (run.staged && !device_->collected(*run.staged)) return moved;
    const site::Collected collected = collect(&run);
    if (collected == site::Collected::Mismatch) {
      // The announcement of that call says more, and was sent before its data.
      const int peer = group_->mismatched_peer();
      drain_control(peer);
      if (failed()) return true;  // it did, and `run` is gone
      fail(error(lhInvalidUsage, "{} sent data of another call than #{}, which {} is in",
                 members_.who(members_.topology.rank(members_.site(), peer)), run.operation->sequence,
                 members_.who(members_.rank)));
      return true;
    }
    if (!work_.trouble().ok()) return fail(work_.trouble()), true;
    if (collected == site::Collected::Waiting) return moved;
    run.stage = Stage::Exchange;
    mark(&run, Mark::Collected);
    moved = true;
  }
  return moved;
}

bool Engine::advance(ChunkRun* run) {
  bool moved = false;
  if (run->stage == Stage::Exchange) {
    if (!run->wan_sent) {
      moved |= send_contributions(run);
      links_->flush(now_);  // on its way before anything else is computed, and counted before the call completes
    }
    const bool wanted = run->chunk.to(members_.site());
    if (wanted && run->missing == 0 && run->wan_sent && combine(run)) {
      mark(run, Mark::Combined);
      run->stage = Stage::Distribute;
      moved = true;
    } else if (!work_.trouble().ok()) {
      fail(work_.trouble());  // `run` is gone
      return true;
    } else if (!wanted && run->wan_sent) {
      run->own = {};
      run->stage = Stage::Distribute;
      moved = true;
    }
  }
  if (run->stage == Stage::Distribute && run->staged) {
    moved |= distribute_staged(run);
  } else if (run->stage == Stage::Distribute) {
    const bool alone = run->operation->plan->group_size(members_.site()) == 1;
    const bool sent = alone || !run->chunk.to(members_.site()) || group_->send_result(run->task, run->result, &run->next_result);
    if (sent && run->results_missing == 0) {
      finish_if_done(run);
      moved = true;
    }
  }
  return moved;
}

bool Engine::send_contributions(ChunkRun* run) {
  bool moved = false;
  for (;;) {
    const ChunkWork::Outgoing outgoing = work_.next_outgoing(run);
    if (outgoing.rank < 0) {
      run->wan_sent = true;
      mark(run, Mark::Sent);
      return true;
    }
    link::Session* session = links_->session(outgoing.rank);
    if (!session->can_send()) return moved;
    wire::Message message = run->task.message;
    message.kind = wire::kContribution;
    message.begin = outgoing.overlap.begin;
    message.codec = run->own_codec;
    if (outgoing.payload.size() <= wire::kMaxInlineBytes)
      session->send(message, outgoing.payload);
    else
      session->send(message, run->own, outgoing.payload);
    counters_.payload_bytes += outgoing.overlap.count() * run->operation->plan->element_bytes();
    ChunkWork::advance_outgoing(run);
    moved = true;
  }
}

void Engine::finish_if_done(ChunkRun* run) {
  mark(run, Mark::Distributed);
  if (trace_) trace(*run);
  run->stage = Stage::Done;
  run->result_slot = {};
  if (run->staged) device_->give_back(run->staged);
  run->staged = nullptr;
  ++run->operation->chunks_done;
  while (first_chunk_ < next_chunk_ && run_at(first_chunk_).stage == Stage::Done) ++first_chunk_;
  if (collect_next_ < first_chunk_) collect_next_ = first_chunk_;
}

void Engine::trace(const ChunkRun& run) {
  const plan::Plan& plan = *run.operation->plan;
  const site::GpuSpans gpu = run.staged ? device_->times(*run.staged) : site::GpuSpans{};
  for (std::size_t phase = 0; phase < gpu.size(); ++phase)
    counters_.gpu_ns[phase] += static_cast<std::uint64_t>(std::max<TimeNs>(0, gpu[phase].end - gpu[phase].begin));
  trace_->add(Trace::Chunk{.call = run.operation->sequence,
                           .index = run.chunk.index,
                           .bytes = run.part.count() * plan.element_bytes(),
                           .lane = static_cast<std::uint32_t>((run.operation->first_chunk + run.chunk.index) % kMaxChunks),
                           .marks = run.marks,
                           .gpu = gpu});
}

/// To a tool: the stage that begins with this mark. What arrives early changes nothing.
void Engine::show(ChunkRun* run, Mark reached) {
  const auto enter = [&](Mark mark) { run->range.enter(mark, run->chunk.index); };
  const auto enter_exchange = [&] {
    if (!run->wan_sent) return enter(Mark::Sent);
    if (run->missing > 0) return enter(Mark::Arrived);
    enter(run->chunk.to(members_.site()) ? Mark::Combined : Mark::Distributed);
  };
  switch (reached) {
    case Mark::Begun:
      return run->stage == Stage::Collect ? enter(Mark::Collected) : enter_exchange();
    case Mark::Collected:
    case Mark::Sent:
      return enter_exchange();
    case Mark::Arrived:
      if (run->stage == Stage::Exchange && run->wan_sent) enter_exchange();
      return;
    case Mark::Combined:
      return enter(Mark::Distributed);
    case Mark::Distributed:
      return run->range.leave();
  }
}

ChunkRun* Engine::find_chunk(const wire::Message& message) {
  const Operation* operation = find(message.operation);
  if (!operation || message.chunk >= operation->chunks_started) return nullptr;
  const std::uint64_t number = operation->first_chunk + message.chunk;
  if (number < first_chunk_ || run_at(number).stage == Stage::Done) return nullptr;
  return &run_at(number);
}

}  // namespace longhaul::engine
