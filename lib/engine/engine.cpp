// SPDX-License-Identifier: Apache-2.0
// Construction, the thread-safe entrance, and the duty cycle itself.
#include "engine/engine.h"

#include "kernels/reduce.h"

#include <algorithm>
#include <limits>

namespace longhaul::engine {
namespace {

/// Room for the padding of every piece of a part.
std::size_t slot_bytes(const plan::Topology& topology, std::uint64_t chunk_bytes) {
  return static_cast<std::size_t>(chunk_bytes) + static_cast<std::size_t>(topology.ranks() + 2) * 64;
}

std::uint64_t largest_chunk(const EngineOptions& options) {
  return options.chunk_bytes ? options.chunk_bytes : plan::kDefaultChunkBytes;
}

/// A slot must hold a whole chunk (a rail call, a site of one rank), but mostly holds this rank's part of one, and memory that is
/// not touched costs nothing. More slots than two for every chunk under way are never used.
std::size_t slot_count(int site_size, const EngineOptions& options, std::size_t most) {
  const std::uint64_t part = std::max<std::uint64_t>(1, largest_chunk(options) / static_cast<std::uint64_t>(site_size));
  return static_cast<std::size_t>(std::clamp<std::uint64_t>(options.blob_bytes / part, 8, most));
}

}  // namespace

Engine::Engine(Members members, EngineOptions options, std::unique_ptr<Links> links, std::unique_ptr<site::Group> group,
               std::unique_ptr<Trace> trace, std::unique_ptr<site::NcclGroup> device)
    : members_(std::move(members)),
      options_(options),
      feedback_(options.feedback_bytes),
      blobs_(std::make_unique<link::BlobPool>(
          slot_count(members_.site_size(), options, 2 * kMaxChunks),
          slot_bytes(members_.topology, largest_chunk(options)))),
      links_(std::move(links)),
      group_(std::move(group)),
      trace_(std::move(trace)),
      device_(std::move(device)),
      wan_peers_(plan::wan_peers(members_.topology, members_.rank)),
      rates_(members_.site_size(), members_.topology.sites()),
      operations_(kMaxOperations),
      runs_(kMaxChunks),
      work_(members_, blobs_.get(), static_cast<std::size_t>(largest_chunk(options)) / 2),
      device_work_(work_, blobs_.get(), device_.get()),
      goodbye_after_(static_cast<std::size_t>(members_.topology.ranks()), kStays),
      told_(static_cast<std::size_t>(members_.topology.ranks()), true) {
  const auto ranks = static_cast<std::size_t>(members_.topology.ranks());
  for (Operation& operation : operations_) operation.heard.assign(ranks, false);
  for (ChunkRun& run : runs_) {
    const auto size = static_cast<std::size_t>(members_.site_size());
    run.parts.reserve(size);
    run.contributions.reserve(size);
    run.wants.reserve(size);
    run.arrivals.reserve(wan_peers_.size());
  }
  early_.reserve(1024);
  commands_.reserve(1024);
  publish();
}

Engine::~Engine() {
  for (ChunkRun& run : runs_) run = {};
  early_.clear();
  links_.reset();
}

Status Engine::use_feedback(Request* request, std::uint64_t tag) {
  const codec::Codec* codec = request->plugin ? request->plugin : codec::find(request->call.codec);
  const plan::Plan plan(members_.topology, members_.rank, request->call, kernels::size_of(request->call.type), {.chunk_bytes = options_.chunk_bytes});
  if (!codec || codec->exact() || !plan.exchanges()) return {};
  auto state = feedback_.begin(tag, plan);
  if (!state.ok()) return state.take_status();
  request->feedback = *state;
  return {};
}

void Engine::submit(Request* request) {
  const std::lock_guard lock(mutex_);
  if (!failure_.ok()) return request->complete(failure_);
  if (request->counted) request->call.number = ++calls_;
  commands_.push_back(request);
  commands_pending_.store(true, std::memory_order_release);
}

std::uint64_t Engine::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void Engine::continue_from(std::uint64_t calls) {
  const std::lock_guard lock(mutex_);
  calls_ = calls;
}

void Engine::abort() {
  const std::lock_guard lock(mutex_);
  abort_requested_ = true;
  commands_pending_.store(true, std::memory_order_release);
}

void Engine::leave(TimeNs deadline) {
  const std::lock_guard lock(mutex_);
  leave_requested_ = deadline;
  commands_pending_.store(true, std::memory_order_release);
}

void Engine::links_carry(double bytes_per_second) {
  const std::lock_guard lock(mutex_);
  links_carry_ = bytes_per_second;
  commands_pending_.store(true, std::memory_order_release);
}

Status Engine::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(mutex_);
  return published_;
}

bool Engine::step(TimeNs now) {
  now_ = now;
  bool moved = false;
  if (commands_pending_.load(std::memory_order_acquire)) {
    take_commands();
    moved = true;
  }
  if (links_) moved |= links_->poll(*this, now);
  if (group_) {
    moved |= group_->progress(now);
    for (int peer = 0; peer < group_->size(); ++peer)
      if (peer != group_->rank()) moved |= drain_control(peer);
  }
  if (device_) moved |= progress_device();
  check_health(now);
  if (!failed()) {
    if (group_ && links_) moved |= tell_rates();
    for (std::uint64_t s = first_operation_; s < next_operation_ && !failed(); ++s) agree(find(s));
    moved |= start_chunks();
    moved |= collect_chunks();
    for (std::uint64_t n = first_chunk_; n < next_chunk_ && !failed(); ++n) moved |= advance(&run_at(n));
    if (group_)
      for (int peer = 0; peer < group_->size() && !failed(); ++peer)
        if (peer != group_->rank()) moved |= drain_results(peer);
    moved |= complete_finished();
    check_deadlines(now);
  }
  if (telling_) moved |= tell_everyone();
  if (links_) moved |= links_->flush(now);
  if (leaving_ != Leaving::No) continue_leaving(now);
  // Calls publish when they are done; what this rank still sent for others after that, when it has come to rest.
  if (!moved && unpublished_) publish();
  unpublished_ = moved;
  return moved;
}

TimeNs Engine::next_event() const {
  TimeNs next = links_ ? links_->next_event() : kNever;
  if (group_) next = std::min(next, group_->next_event());
  for (std::uint64_t s = first_operation_; s < next_operation_; ++s) {
    const Operation& operation = operations_[s % kMaxOperations];
    // A deadline that has passed is held for a moment, see check_deadlines().
    if (!operation.finished) next = std::min(next, std::max(operation.request->deadline, now_ + 10 * kMillisecond));
  }
  if (device_ && (device_->busy() || has_calls())) next = std::min(next, device_->next_event(now_));
  if (leaving_ != Leaving::No) next = std::min({next, leave_deadline_, now_ + 2 * kMillisecond});
  if (telling_) next = std::min(next, now_ + kMillisecond);
  return next;
}

void Engine::append_wait_fds(std::vector<pollfd>& fds) const {
  if (links_) links_->append_wait_fds(fds);
  if (group_) group_->append_wait_fds(fds);
}

bool Engine::arm() {
  if (commands_pending_.load(std::memory_order_acquire)) return false;
  const bool group_quiet = !group_ || group_->arm();
  return (!links_ || links_->arm()) && group_quiet;
}

EngineStats Engine::count() const {
  EngineStats stats = counters_;
  stats.gpu_chunks = device_work_.chunks();
  stats.empty_paths = !wan_peers_.empty();
  stats.delivery_rate = wan_peers_.empty() ? 0 : std::numeric_limits<double>::infinity();
  stats.memory_bytes = feedback_.peak_bytes() + blobs_->memory_bytes() + (group_ ? group_->memory_bytes() : 0) + (trace_ ? trace_->memory_bytes() : 0) +
                       (device_ ? device_->memory_bytes() : 0);
  if (links_) {
    stats.memory_bytes += links_->memory_bytes();
    stats.dropped_frames += links_->dropped();
    for (int rank : links_->peer_ranks()) {
      const link::Session& session = *links_->session(rank);
      stats.reconnects += session.counters().reconnects;
      stats.dropped_frames += session.counters().dropped_frames;
      stats.resent_bytes += session.resent_bytes();
      if (in_site(rank)) continue;  // the LAN does not count as WAN
      stats.wan_bytes_sent += session.counters().bytes_sent;
      stats.wan_bytes_received += session.counters().bytes_received;
      stats.streams += static_cast<std::uint64_t>(session.streams_up());
      stats.window_bytes = std::max(stats.window_bytes, session.window_bytes());
      stats.least_rtt_ns = std::max(stats.least_rtt_ns, static_cast<std::uint64_t>(session.least_rtt()));
      stats.empty_paths &= session.empty_path();
      stats.delivery_rate = std::min(stats.delivery_rate, session.delivery_rate());
      if (session.link_rate() > 0) stats.link_rate = stats.link_rate > 0 ? std::min(stats.link_rate, session.link_rate()) : session.link_rate();
      stats.rtt_ns = std::max(stats.rtt_ns, static_cast<std::uint64_t>(session.rtt()));
    }
  }
  return stats;
}

void Engine::publish() {
  EngineStats stats = count();
  stats.payload_bytes -= bring_up_.payload_bytes;
  stats.wan_bytes_sent -= bring_up_.wan_bytes_sent;
  stats.wan_bytes_received -= bring_up_.wan_bytes_received;
  stats.resent_bytes -= bring_up_.resent_bytes;
  const std::lock_guard lock(mutex_);
  stats.memory_bytes = std::max(stats.memory_bytes, published_.memory_bytes);
  published_ = stats;
}

}  // namespace longhaul::engine
