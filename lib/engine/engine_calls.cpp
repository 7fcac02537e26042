// SPDX-License-Identifier: Apache-2.0
// Calls: taking them in, agreeing on them with the other ranks, completing them, and their deadlines.
#include <algorithm>

#include "codec/codec.h"
#include "engine/describe.h"
#include "engine/engine.h"
#include "kernels/reduce.h"

namespace longhaul::engine {

void Engine::take_commands() {
  bool aborting = false, leaving = false;
  double rate = 0;
  {
    const std::lock_guard lock(mutex_);
    commands_pending_.store(false, std::memory_order_relaxed);
    aborting = abort_requested_ && failure_.ok();
    leaving = leave_requested_ != kNever && leaving_ == Leaving::No;
    if (leaving) leave_deadline_ = leave_requested_;
    rate = std::exchange(links_carry_, 0);
  }
  for (std::size_t i = 0; rate > 0 && i < wan_peers_.size(); ++i) links_->session(wan_peers_[i])->link_measured(rate);
  if (aborting) {
    fail(error(lhAborted, "lhCommAbort was called on this rank"),
         members_.who(members_.rank) + " aborted its communicator", lhRemoteError);
  }
  if (leaving) {
    leaving_ = Leaving::Requested;
    failed_before_leaving_ = failed();
    fail(error(lhAborted, "the communicator is being destroyed"));
  }
  while (next_operation_ - first_operation_ < kMaxOperations && !failed()) {
    Request* request = pop_command();
    if (!request) return;
    activate(request);
  }
}

Request* Engine::pop_command() {
  const std::lock_guard lock(mutex_);
  if (commands_head_ == commands_.size()) return nullptr;
  Request* request = commands_[commands_head_++];
  if (commands_head_ == commands_.size()) {
    commands_.clear();
    commands_head_ = 0;
  }
  return request;
}

Operation* Engine::find(std::uint64_t sequence) {
  if (sequence < first_operation_ || sequence >= next_operation_) return nullptr;
  return &operations_[sequence % kMaxOperations];
}

namespace {

/// A living peer is heard every half second.
constexpr TimeNs kSilence = 3 * kSecond / 2;

/// After its deadline, for a rank that cannot know the culprit.
constexpr TimeNs kGrace = 200 * kMillisecond;

/// Exact sums of 16-bit floats stay fp32 between sites where a site's sum may need it.
std::uint32_t wire_codec(const plan::Plan& plan) {
  const plan::Call& call = plan.call();
  const bool sums = call.reduces() && (call.op == lhSum || call.op == lhAvg);
  const bool half = call.type == lhFloat16 || call.type == lhBfloat16;
  bool several = false;
  for (int site = 0; site < plan.sites(); ++site) several |= plan.group_size(site) > 1;
  const bool as_float = call.codec == lhCodecNone && sums && half && several;
  return as_float ? codec::kFloatSums : static_cast<std::uint32_t>(call.codec);
}

}  // namespace

void Engine::activate(Request* request) {
  if (group_ && links_) believe_rates();
  const std::uint64_t sequence = next_operation_++;
  Operation& operation = operations_[sequence % kMaxOperations];
  operation.request = request;
  operation.sequence = sequence;
  operation.signature = announcement_of(request->call).signature();
  operation.plan.emplace(members_.topology, members_.rank, request->call, kernels::size_of(request->call.type),
                         plan::Options{.chunk_bytes = options_.chunk_bytes});
  operation.wire_codec = wire_codec(*operation.plan);
  operation.codec = request->plugin ? request->plugin : codec::on_wire(operation.wire_codec);
  operation.first_chunk = chunks_planned_;
  chunks_planned_ += operation.plan->chunk_count();
  operation.chunks_started = operation.chunks_done = 0;
  operation.next_site_announcement = 0;
  operation.next_wan_announcement = 0;
  operation.site_heard = 0;
  operation.wan_heard = 0;
  operation.heard.assign(operation.heard.size(), false);
  operation.finished = false;
  operation.ticket = request->ticket;
  operation.entered = !request->ticket;
  if (trace_) operation.begun = steady_now();
  take_early(operation, nullptr);
}

/// Says how this rank was called: to its site at once, to its WAN peers once the site agrees.
void Engine::agree(Operation* operation) {
  if (operation->finished || (!operation->entered && !enter(operation))) return;
  const int others = members_.site_size() - 1;
  const wire::Message message{.kind = wire::kAnnounce,
                              .chunk = 0,
                              .operation = operation->sequence,
                              .signature = operation->signature,
                              .begin = 0,
                              .codec = lhCodecNone};
  std::array<std::byte, wire::kAnnouncementBytes> payload;
  ByteWriter writer(payload);
  wire::encode(announcement_of(operation->request->call), &writer);
  while (operation->next_site_announcement < members_.site_size()) {
    const int peer = operation->next_site_announcement;
    if (peer != members_.site_rank() && !group_->channel(peer).send(site::Lane::Control, message, payload)) return;
    ++operation->next_site_announcement;
  }
  if (operation->site_heard < others) return;
  while (operation->next_wan_announcement < wan_peers_.size()) {
    link::Session* session = links_->session(wan_peers_[operation->next_wan_announcement]);
    if (!session->can_send()) return;
    session->send(message, payload);
    ++operation->next_wan_announcement;
  }
}

void Engine::on_announcement(int rank, bool in_site, const wire::Message& message, ConstBytes payload) {
  Operation* operation = find(message.operation);
  const auto theirs = wire::decode_announcement(payload);
  if (!operation || !theirs) return;
  check_announcement(operation, rank, in_site, *theirs);
}

void Engine::check_announcement(Operation* operation, int rank, bool in_site, const wire::Announcement& theirs) {
  const wire::Announcement mine = announcement_of(operation->request->call);
  wire::Announcement but_for_the_number = theirs;
  but_for_the_number.number = mine.number;
  if (but_for_the_number != mine) {
    return fail(error(lhInvalidUsage, "call #{} differs: {} called {}, {} called {}", operation->sequence,
                      members_.who(rank), describe(theirs), members_.who(members_.rank), describe(mine)));
  }
  if (theirs.number != mine.number) {
    return fail(error(lhInvalidUsage, "{} (call #{}) counts as number {} at {} and as {} at {}: call lhCommSetCallCount with the same count at all "
                      "ranks, between the same calls", describe(mine), operation->sequence, theirs.number, members_.who(rank), mine.number,
                      members_.who(members_.rank)));
  }
  const auto index = static_cast<std::size_t>(rank);
  if (operation->heard[index]) return;
  operation->heard[index] = true;
  if (in_site)
    ++operation->site_heard;
  else
    ++operation->wan_heard;
}

bool Engine::complete_finished() {
  bool moved = false;
  for (std::uint64_t s = first_operation_; s < next_operation_; ++s) {
    Operation& operation = *find(s);
    if (operation.finished || operation.chunks_done < operation.plan->chunk_count()) continue;
    if (operation.site_heard < members_.site_size() - 1 || operation.wan_heard < wan_peers_.size()) continue;
    if (operation.next_site_announcement < members_.site_size() || operation.next_wan_announcement < wan_peers_.size()) continue;
    if (operation.request->call.collective == plan::Collective::Finalize && s > first_operation_) continue;
    operation.finished = true;
    if (trace_) trace(operation);
    if (operation.plan->chunk_count() > 0) counters_.chunk_bytes = operation.plan->chunk_bytes();
    counters_.operations += operation.request->counted;
    if (counters_.operations == 0 && !operation.request->counted && operation.request->call.collective != plan::Collective::Finalize)
      bring_up_ = count();
    publish();
    operation.request->complete({});
    moved = true;
  }
  while (first_operation_ < next_operation_ && find(first_operation_)->finished) {
    if (const auto ticket = find(first_operation_)->ticket) device_->turnstile().leave(*ticket);
    ++first_operation_;
    const std::lock_guard lock(mutex_);
    if (commands_head_ < commands_.size()) commands_pending_.store(true, std::memory_order_release);
  }
  return moved;
}

void Engine::trace(const Operation& operation) {
  const plan::Call& call = operation.request->call;
  trace_->add(Trace::Call{.number = operation.sequence,
                          .bytes = call.count * operation.plan->element_bytes(),
                          .name = function_name(static_cast<std::uint8_t>(call.collective)),
                          .codec = call.plugin ? operation.codec->name : codec::name_of(call.codec),
                          .begin = operation.begun,
                          .end = steady_now()});
}

void Engine::check_deadlines(TimeNs now) {
  for (std::uint64_t s = first_operation_; s < next_operation_ && !failed(); ++s) {
    const Operation& operation = *find(s);
    if (operation.finished || now < operation.request->deadline) continue;
    if (waits_only_for_its_site(operation) && now < operation.request->deadline + kGrace) continue;
    fail(error(lhTimeout, "{} (call #{}) timed out at {}: {}",
               function_name(static_cast<std::uint8_t>(operation.request->call.collective)), s,
               members_.who(members_.rank), missing_text(operation, now)));
  }
}

/// The other sites' part of the call is done here: a rank of this site that still waits for them knows better who is
/// late, and gets a moment to say so.
bool Engine::waits_only_for_its_site(const Operation& operation) {
  for (std::uint64_t n = std::max(first_chunk_, operation.first_chunk); n < next_chunk_; ++n) {
    const ChunkRun& run = run_at(n);
    if (run.operation == &operation && run.stage != Stage::Done) return run.stage == Stage::Distribute;
  }
  return false;
}

/// Who is to blame, as far as this rank can tell: "stage agree: rank 1 of site atlanta has not called it".
std::string Engine::missing_text(const Operation& operation, TimeNs now) {
  if (!operation.entered)
    return fmt::format("stage enter: the stream of {} has not come to the call; work in front of it takes longer than the deadline",
                       members_.who(members_.rank));
  std::string text;
  const auto add = [&](int rank, const std::string& what) {
    text += (text.empty() ? "" : "; ") + members_.who(rank) + " " + what;
  };
  for (int rank = 0; rank < members_.topology.ranks(); ++rank) {
    if (rank == members_.rank) continue;
    const bool heard = operation.heard[static_cast<std::size_t>(rank)];
    link::Session* session = links_ ? links_->session(rank) : nullptr;
    if (in_site(rank)) {
      if (!heard) add(rank, "has not called it");
    } else if (session && !session->connected()) {
      add(rank, "is not connected (" + session->last_trouble() + ")");
    } else if (session && now - session->last_heard() > kSilence) {
      add(rank, fmt::format("has been silent for {:.1f} s", static_cast<double>(now - session->last_heard()) / 1e9));
    } else if (session && !heard) {
      add(rank, "or another rank of its site has not called it");
    }
  }
  const bool agreed = operation.site_heard == members_.site_size() - 1 && operation.wan_heard == wan_peers_.size();
  if (!agreed) return "stage agree: " + text;
  return stage_text(operation) + (text.empty() ? "" : "; " + text);
}

std::string Engine::stage_text(const Operation& operation) {
  static constexpr std::array kNames = {"collect", "exchange", "distribute", "done"};
  for (std::uint64_t n = std::max(first_chunk_, operation.first_chunk); n < next_chunk_; ++n) {
    const ChunkRun& run = run_at(n);
    if (run.operation != &operation || run.stage == Stage::Done) continue;
    std::string text = fmt::format("stage {}: chunk {} of {} is not done", kNames[static_cast<std::size_t>(run.stage)],
                                   run.chunk.index, operation.plan->chunk_count());
    for (int rank : wan_peers_) {
      const Range overlap = run.missing > 0 ? work_.expected_overlap(run, rank) : Range{};
      const bool there =
          std::any_of(run.arrivals.begin(), run.arrivals.end(), [&](const Held& held) { return held.rank == rank; });
      if (!overlap.empty() && !there) text += ", waiting for " + members_.who(rank);
    }
    if (run.results_missing > 0 && run.missing == 0) text += ", waiting for other ranks of this site";
    return text;
  }
  return fmt::format("{} of {} chunks done", operation.chunks_done, operation.plan->chunk_count());
}

}  // namespace longhaul::engine
