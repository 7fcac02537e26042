// SPDX-License-Identifier: Apache-2.0
// Calls on device memory. They take the same way as those on host memory, with three differences: a call begins when the user's stream
// has come to it, so that nothing on the GPU waits for that; chunks start when the whole site has begun, because NCCL does not check that
// ranks call alike; and chunks are collected from and distributed to staging memory by site::NcclGroup.
#include "engine/engine.h"

namespace longhaul::engine {

bool Engine::progress_device() {
  const bool moved = device_->progress(now_);
  if (device_->ready() && !failed()) device_ready_.store(true, std::memory_order_release);
  return moved;
}

/// Whether the user's stream has come to the call, and those before it have begun.
bool Engine::enter(Operation* operation) {
  const Operation* before = find(operation->sequence - 1);
  if (before && !before->entered) return false;
  auto reached = device_->turnstile().reached(*operation->ticket);
  if (!reached.ok()) {
    fail(reached.take_status());
    return false;
  }
  if (*reached) device_->moved(now_);
  return operation->entered = *reached;
}

bool Engine::may_start(const Operation& operation) const {
  if (!operation.ticket) return true;
  return operation.entered && operation.site_heard == members_.site_size() - 1 && device_->has_room();
}

void Engine::stage(ChunkRun* run) {
  const plan::Plan& plan = *run->operation->plan;
  run->staged = device_->start({.task = run->task,
                                .rank = plan.group_rank(),
                                .contributes = run->chunk.from(plan.site()),
                                .wanted = run->chunk.to(plan.site()),
                                .recv = run->operation->request->recv});
  device_work_.prepare(run);
  run->results_missing = run->chunk.to(plan.site()) ? static_cast<std::uint64_t>(plan.group_size(plan.site())) - 1 : 0;
}

site::Collected Engine::collect(ChunkRun* run) {
  return run->staged && run->staged->by_gpu ? device_work_.collect(run) : work_.collect(run, group_.get());
}

bool Engine::combine(ChunkRun* run) {
  if (!run->staged || !run->staged->by_gpu) return work_.combine(run);
  if (!run->combining) device_->moved(now_);
  return device_work_.combine(run);
}

/// Tells the site that this rank's part is finished; the GPU distributes when all parts are.
bool Engine::distribute_staged(ChunkRun* run) {
  bool moved = false;
  if (run->chunk.to(members_.site()) && !run->released) {
    const bool alone = run->operation->plan->group_size(members_.site()) == 1;
    if (!alone && !group_->send_ready(run->task, &run->next_result)) return false;
    if (run->results_missing > 0) return false;
    site::NcclGroup::finish(*run->staged);
    run->released = true;
    device_->moved(now_);
    moved = true;
  }
  if (!device_->distributed(*run->staged)) return moved;
  device_->moved(now_);
  finish_if_done(run);
  return true;
}

bool Engine::on_ready(int peer, ChunkRun& run, const site::Received& received) {
  if (received.payload.empty() && run.results_missing > 0) {
    --run.results_missing;
    return true;
  }
  fail(error(lhInternalError, "{} distributed host memory in call #{}, which is on device memory",
             members_.who(members_.topology.rank(members_.site(), peer)), run.operation->sequence));
  return true;
}

/// The GPU lets go of everybody's memory before anybody learns that the calls have ended.
void Engine::end_device(bool destroyed) {
  device_ready_.store(false, std::memory_order_release);
  if (destroyed)
    device_->close(now_);
  else
    device_->stop();
  device_->turnstile().release_all();
}

}  // namespace longhaul::engine
