// SPDX-License-Identifier: Apache-2.0
// How a communicator ends: failures and goodbyes, who is told, what is flushed. A failure is final and is told to every
// neighbour once; those tell theirs, so that every rank learns it.
#include <algorithm>

#include "base/log.h"
#include "engine/engine.h"

namespace longhaul::engine {
namespace {

/// How long a goodbye may wait for acknowledgements of peers that have left themselves.
constexpr TimeNs kLinger = 200 * kMillisecond;

}  // namespace

void Engine::fail(Status status) {
  const lhResult_t code = status.code();
  const std::string text = status.text();
  fail(std::move(status), text, code);
}

void Engine::fail(Status status, const std::string& notice, lhResult_t notice_code) {
  if (failed()) return;
  const bool destroyed = leaving_ != Leaving::No;
  if (options_.warn && !destroyed && status.code() != lhAborted)
    log_warn(members_.who(members_.rank) + ": " + lhGetErrorString(status.code()) + ": " + status.text());
  if (device_) end_device(destroyed);
  std::vector<Request*> pending;
  {
    const std::lock_guard lock(mutex_);
    failure_ = status;
    pending.assign(commands_.begin() + static_cast<std::ptrdiff_t>(commands_head_), commands_.end());
    commands_.clear();
    commands_head_ = 0;
    failed_.store(true, std::memory_order_release);
  }
  for (std::uint64_t s = first_operation_; s < next_operation_; ++s)
    if (!find(s)->finished) pending.push_back(find(s)->request);
  for (const Request* request : pending) counters_.failed_operations += request->counted;
  publish();
  std::uint64_t last_complete = first_operation_ - 1;
  while (last_complete + 1 < next_operation_ && find(last_complete + 1)->finished) ++last_complete;
  for (std::uint64_t s = first_operation_; s < next_operation_; ++s) find(s)->finished = true;
  first_operation_ = next_operation_;
  for (; first_chunk_ < next_chunk_; ++first_chunk_) {
    ChunkRun& run = run_at(first_chunk_);
    for (Held& held : run.arrivals) held.consume();
    run = {};
  }
  collect_next_ = first_chunk_;
  for (Early& early : early_) early.held.consume();
  early_.clear();

  std::fill(told_.begin(), told_.end(), false);
  broadcast_ = {.kind = destroyed ? wire::kGoodbye : wire::kFailure, .chunk = 0, .operation = last_complete,
                .signature = 0, .begin = 0, .codec = lhCodecNone};
  broadcast_payload_.resize(destroyed ? 0 : wire::kMaxFailureBytes);
  if (!destroyed) {
    ByteWriter writer(broadcast_payload_);
    wire::encode(wire::FailureNotice{.code = notice_code, .origin = static_cast<std::uint32_t>(members_.rank), .text = notice},
                 &writer);
    broadcast_payload_.resize(writer.size());
  }
  telling_ = true;
  // Last, because a caller may free its buffers, and the request, as soon as it is complete.
  for (Request* request : pending) request->complete(status);
}

void Engine::on_failure_notice(int rank, ConstBytes payload) {
  const auto notice = wire::decode_failure(payload);
  if (!notice) {
    ++counters_.dropped_frames;
    return;
  }
  std::string text = notice->text.empty() ? members_.who(rank) + " failed" : notice->text;
  // Whoever times out first may only see a site that is late; a neighbour of the late rank knows which one it is.
  const bool waiting = first_operation_ < next_operation_;
  if (notice->code == lhTimeout && waiting)
    text += fmt::format("; seen from {}: {}", members_.who(members_.rank), missing_text(*find(first_operation_), now_));
  fail(Status(notice->code, std::move(text)));
}

void Engine::on_goodbye(int rank, const wire::Message& message) {
  goodbye_after_[static_cast<std::size_t>(rank)] = message.operation;
  if (links_ && links_->session(rank)) links_->session(rank)->departed();
}

/// Peers that died, sessions that gave up, and calls that need somebody who left.
void Engine::check_health(TimeNs) {
  if (failed()) return;
  for (int rank = 0; rank < members_.topology.ranks(); ++rank) {
    const std::uint64_t last = goodbye_after_[static_cast<std::size_t>(rank)];
    if (last != kStays) {
      if (next_operation_ - 1 > last)
        return fail(error(lhRemoteError, "{} has left: it destroyed its communicator after call #{}", members_.who(rank), last));
      continue;
    }
    if (site::Channel* way = channel(rank); way && !way->health().ok())
      return fail(error(way->health().code(), "{}: {}", members_.who(rank), way->health().text()));
    if (link::Session* session = links_ ? links_->session(rank) : nullptr; session && !session->failure().ok())
      return fail(session->failure());
  }
  if (device_ && !device_->health().ok()) return fail(device_->health());
  if (links_ && !links_->refusal().ok() && next_operation_ > first_operation_) return fail(links_->refusal());
}

bool Engine::tell(int rank, const wire::Message& message, ConstBytes payload) {
  if (site::Channel* way = channel(rank)) return !way->health().ok() || way->send(site::Lane::Control, message, payload);
  link::Session* session = links_ ? links_->session(rank) : nullptr;
  if (!session || !session->failure().ok()) return true;
  if (!session->can_send()) return false;
  if (payload.size() <= wire::kMaxInlineBytes) {
    session->send(message, payload);
    return true;
  }
  link::Blob blob = blobs_->acquire();
  if (!blob) return false;
  std::copy(payload.begin(), payload.end(), blob.memory().begin());
  session->send(message, blob, blob.memory().first(payload.size()));
  return true;
}

bool Engine::tell_everyone() {
  bool all = true, moved = false;
  for (int rank = 0; rank < members_.topology.ranks(); ++rank) {
    const auto index = static_cast<std::size_t>(rank);
    if (rank == members_.rank || told_[index]) continue;
    told_[index] = tell(rank, broadcast_, broadcast_payload_);
    moved |= told_[index];
    all &= told_[index];
  }
  telling_ = !all;
  return moved;
}

void Engine::continue_leaving(TimeNs now) {
  if (leaving_ == Leaving::Requested) {
    if (failed_before_leaving_) leave_deadline_ = std::min(leave_deadline_, now + kSecond);
    // A communicator that had failed before tells its failure first; only then comes the goodbye.
    if (telling_ && broadcast_.kind != wire::kGoodbye && now < leave_deadline_) return;
    if (broadcast_.kind != wire::kGoodbye) {
      broadcast_ = {.kind = wire::kGoodbye, .chunk = 0, .operation = 0, .signature = 0, .begin = 0,
                    .codec = lhCodecNone};
      broadcast_payload_.clear();
      std::fill(told_.begin(), told_.end(), false);
      telling_ = true;
    }
    leaving_ = Leaving::Flushing;
    linger_until_ = now + kLinger;
  }
  if (telling_ || !flushed(now)) {
    quiet_since_ = kNever;
  } else if (quiet_since_ == kNever) {
    quiet_since_ = now;
  }
  // What was posted last (an acknowledgement, a goodbye) gets a moment to leave before the endpoints close.
  const TimeNs moment = 5 * kMillisecond + static_cast<TimeNs>(stats().rtt_ns);
  left_ = now >= leave_deadline_ || (quiet_since_ != kNever && now - quiet_since_ >= moment);
}

/// Peers that have said goodbye need nothing more; a short linger still lets our own goodbye reach them.
bool Engine::flushed(TimeNs now) {
  if (device_ && !device_->closed(now)) return false;
  for (int rank = 0; rank < members_.topology.ranks(); ++rank) {
    const bool gone = goodbye_after_[static_cast<std::size_t>(rank)] != kStays && now >= linger_until_;
    if (site::Channel* way = channel(rank); way && !way->flushed() && way->health().ok() && !gone) return false;
    link::Session* session = links_ ? links_->session(rank) : nullptr;
    // After a failure a peer that cannot be reached is not waited for.
    if (session && failed_before_leaving_ && !session->connected()) continue;
    if (session && (!session->idle() || session->ack_pending()) && session->failure().ok() && !gone) return false;
  }
  return true;
}

}  // namespace longhaul::engine
