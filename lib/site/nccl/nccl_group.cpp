// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/nccl_group.h"

#include <algorithm>
#include <thread>

#include "base/log.h"

namespace longhaul::site {
namespace {

constexpr TimeNs kCheckEvery = 20 * kMillisecond;
constexpr TimeNs kLongestClose = 2 * kSecond;
/// A GPU that has not come to an end of aborted work after this long hangs.
constexpr TimeNs kLongestDrain = kSecond;
/// A copy or a reduction of one chunk takes tens of microseconds; what takes longer can be noticed a little later.
constexpr TimeNs kShortestNap = 20 * kMicrosecond, kLongestNap = 500 * kMicrosecond;
constexpr TimeNs kNapShare = 8;

}  // namespace

NcclGroup::NcclGroup(std::shared_ptr<const device::Gpu> gpu, NcclParts parts, device::Stream collecting, device::Stream distributing,
                     device::Stream coding)
    : gpu_(std::move(gpu)),
      parts_(std::move(parts)),
      collecting_(std::move(collecting)),
      distributing_(std::move(distributing)),
      coding_(std::move(coding)),
      issues_(parts_.staging->slots().size()) {}

Result<std::unique_ptr<NcclGroup>> NcclGroup::make(const std::shared_ptr<const device::Gpu>& gpu, NcclParts parts) {
  const device::Current current(*gpu);
  if (!current.status().ok()) return current.status();
  auto collecting = device::Stream::make(gpu);
  if (!collecting.ok()) return collecting.take_status();
  auto distributing = device::Stream::make(gpu);
  if (!distributing.ok()) return distributing.take_status();
  auto coding = device::Stream::make(gpu);
  if (!coding.ok()) return coding.take_status();
  struct Made : NcclGroup {
    Made(std::shared_ptr<const device::Gpu> on, NcclParts of, device::Stream a, device::Stream b, device::Stream c)
        : NcclGroup(std::move(on), std::move(of), std::move(a), std::move(b), std::move(c)) {}
  };
  std::unique_ptr<NcclGroup> group =
      std::make_unique<Made>(gpu, std::move(parts), std::move(*collecting), std::move(*distributing), std::move(*coding));
  if (group->parts_.timed) {
    auto times = GpuTimes::make(gpu, group->coding_, group->parts_.staging->slots().size());
    if (!times.ok()) return times.take_status();
    group->times_ = std::move(*times);
  }
  if (!group->has_codecs()) return group;
  const Control& zero = *group->parts_.staging->slots()[0].control;
  if (Status status = group->parts_.codecs->rehearse(&zero.refused, group->coding_.get()); !status.ok()) return status;
  return group;
}

NcclGroup::~NcclGroup() {
  if (state_ != State::Stopped) stop();
  // Members are destroyed behind this; the context has to stay current for them.
  const device::Current current(*gpu_);
  parts_.collecting.reset();
  parts_.distributing.reset();
  times_.reset();
  const device::Stream a(std::move(collecting_)), b(std::move(distributing_)), c(std::move(coding_));
  parts_.codecs.reset();
  parts_.staging.reset();
}

Slot* NcclGroup::start(const DeviceTask& task) {
  Slot* slot = parts_.staging->take();
  slot->collected_at = collected_at(task, slot->on_device);
  slot->delivered_at = delivered_at(task, slot->on_device);
  issues_[next_issue_++ % issues_.size()] = {.task = task, .slot = slot, .step = Step::Collect};
  return slot;
}

/// One communicator after the other: two that are being connected at once may wait for each other.
void NcclGroup::connect() {
  if (!parts_.collecting) {
    state_ = State::Ready;
    return;
  }
  if (!connecting_) {
    connecting_ = parts_.collecting.get();
    parts_.start(connecting_);
  } else if (connecting_->busy() || !take_trouble()) {
    return;
  } else if (connecting_ == parts_.collecting.get()) {
    connecting_ = parts_.distributing.get();
    parts_.start(connecting_);
  } else {
    const auto slots = parts_.staging->slots();
    rehearsal_ = std::make_unique<Rehearsal>(parts_.rank, parts_.ranks, slots[0], slots[1], parts_.staging->slot_bytes());
    state_ = State::Rehearsing;
  }
}

void NcclGroup::rehearse() {
  NcclComm* collecting = parts_.collecting.get();
  NcclComm* distributing = parts_.distributing.get();
  // Their memory is the same: what comes later must not overtake.
  while (!collecting->busy() && !distributing->busy() && take_trouble() && streams_idle()) {
    if (rehearsal_->done()) {
      rehearsal_.reset();
      state_ = State::Ready;
      return;
    }
    if (!rehearsal_->next(collecting, collecting_, distributing, distributing_, &trouble_)) break;
  }
  take_trouble();
}

bool NcclGroup::take_trouble() {
  for (const NcclComm* half : {parts_.collecting.get(), parts_.distributing.get()})
    if (half && trouble_.ok()) trouble_ = half->failure();
  return trouble_.ok();
}

bool NcclGroup::progress(TimeNs now) {
  if (!trouble_.ok() || state_ == State::Closing || state_ == State::Stopped) return false;
  const device::Current current(*gpu_);
  if (trouble_ = current.status(); !trouble_.ok()) return false;
  check_health(now);
  if (state_ == State::Connecting) {
    connect();
    return state_ != State::Connecting;
  }
  if (state_ == State::Rehearsing) {
    rehearse();
    return state_ == State::Ready;
  }
  bool moved = false;
  while (first_issue_ < next_issue_ && take_trouble() && advance(&issues_[first_issue_ % issues_.size()])) moved = true;
  take_trouble();
  if (moved) last_moved_ = now;
  return moved;
}

/// One step of the oldest chunk that is not in the streams as a whole. False: not possible yet, or failed.
bool NcclGroup::advance(Issue* issue) {
  NcclComm* collecting = parts_.collecting.get();
  NcclComm* distributing = parts_.distributing.get();
  switch (issue->step) {
    case Step::Collect:
      if (issue->task.contributes && collecting) begin(*issue->slot, GpuPhase::ReduceScatter, collecting_);
      if (issue->task.contributes && !collect(issue->task, collecting, collecting_, issue->slot->on_device, &trouble_)) return false;
      issue->step = Step::Stage;
      return true;
    case Step::Stage:  // behind the collection, which may not be in the stream yet
      if (collecting && collecting->busy()) return false;
      if (!take_trouble() || !stage(*issue)) return false;
      issue->step = Step::Distribute;
      return true;
    case Step::Distribute:
      if (issue->task.wanted && !deliver(*issue)) return false;
      issue->step = Step::Finish;
      return true;
    case Step::Finish:
      if (distributing && distributing->busy()) return false;
      if (!take_trouble()) return false;
      end(*issue->slot, GpuPhase::AllGather, distributing_);
      if (trouble_.ok()) trouble_ = distributing_.write(issue->slot->distributed, issue->slot->turn);
      issue->slot->issued = true;
      ++first_issue_;
      return trouble_.ok();
  }
  return false;
}

bool NcclGroup::stage(const Issue& issue) {
  if (!issue.task.contributes) return true;
  const std::size_t bytes = issue.task.bytes(issue.task.part().count());
  const GpuPhase phase = issue.slot->by_gpu ? GpuPhase::Encode : GpuPhase::CopyOut;
  end(*issue.slot, GpuPhase::ReduceScatter, collecting_);
  begin(*issue.slot, phase, collecting_);
  if (!trouble_.ok()) return false;
  if (issue.slot->by_gpu)
    trouble_ = issue.slot->encoding.issue(*parts_.codecs, collecting_);
  else
    trouble_ = collecting_.copy(issue.slot->in, issue.slot->collected_at, bytes);
  end(*issue.slot, phase, collecting_);
  if (trouble_.ok()) trouble_ = collecting_.write(issue.slot->collected, issue.slot->turn);
  return trouble_.ok();
}

bool NcclGroup::deliver(const Issue& issue) {
  trouble_ = distributing_.wait(issue.slot->finished, issue.slot->turn);
  begin(*issue.slot, GpuPhase::AllGather, distributing_);
  const std::size_t bytes = issue.task.bytes(issue.task.part().count());
  if (trouble_.ok() && !issue.slot->by_gpu) trouble_ = distributing_.copy(issue.slot->delivered_at, issue.slot->out, bytes);
  return trouble_.ok() && distribute(issue.task, parts_.distributing.get(), distributing_, issue.slot->on_device, &trouble_);
}

void NcclGroup::code(Slot* slot, const Coding& coding) {
  ++slot->coding_turn;
  if (!trouble_.ok()) return;
  const device::Current current(*gpu_);
  const GpuPhase phase = &coding == &slot->encoding ? GpuPhase::EncodeAgain : GpuPhase::Decode;
  if (trouble_ = current.status(); !trouble_.ok()) return;
  begin(*slot, phase, coding_);
  if (trouble_.ok()) trouble_ = coding.issue(*parts_.codecs, coding_);
  end(*slot, phase, coding_);
  if (trouble_.ok()) trouble_ = coding_.write(slot->coded, slot->coding_turn);
}

void NcclGroup::begin(const Slot& slot, GpuPhase phase, const device::Stream& stream) {
  if (times_ && trouble_.ok()) trouble_ = times_->begin(number_of(slot), phase, stream);
}

void NcclGroup::end(const Slot& slot, GpuPhase phase, const device::Stream& stream) {
  if (times_ && trouble_.ok()) trouble_ = times_->end(number_of(slot), phase, stream);
}

GpuSpans NcclGroup::times(const Slot& slot) {
  if (!times_) return {};
  const device::Current current(*gpu_);
  return current.status().ok() ? times_->take(number_of(slot), coding_) : GpuSpans{};
}

/// What goes wrong on the GPU after a call was issued is found only by asking.
void NcclGroup::check_health(TimeNs now) {
  if (now - last_check_ < kCheckEvery) return;
  last_check_ = now;
  for (const device::Stream* stream : {&collecting_, &distributing_, &coding_})
    if (auto idle = stream->idle(); !idle.ok() && trouble_.ok()) trouble_ = idle.take_status();
  if (state_ != State::Ready) return;
  for (NcclComm* half : {parts_.collecting.get(), parts_.distributing.get()})
    if (half) half->look_for_failure();
  take_trouble();
}

TimeNs NcclGroup::next_event(TimeNs now) const {
  return now + std::clamp((now - last_moved_) / kNapShare, kShortestNap, kLongestNap);
}

void NcclGroup::close(TimeNs now) {
  if (state_ != State::Ready || busy()) return stop();
  const device::Current current(*gpu_);
  state_ = State::Closing;
  closing_until_ = now + kLongestClose;
  for (NcclComm* half : {parts_.collecting.get(), parts_.distributing.get()})
    if (half) half->finalize();
}

bool NcclGroup::closed(TimeNs now) {
  if (state_ != State::Closing) return true;
  if (now >= closing_until_) {
    stop();
    return true;
  }
  const device::Current current(*gpu_);
  bool all = streams_idle();  // kernels were rehearsed, and perhaps nothing was called that came behind
  for (NcclComm* half : {parts_.collecting.get(), parts_.distributing.get()})
    if (half && !half->closed()) all = false;
  if (all) state_ = State::Stopped;
  return all;
}

namespace {

bool all_idle(std::initializer_list<const device::Stream*> streams) {
  for (const device::Stream* stream : streams) {
    auto idle = stream->idle();
    if (!idle.ok()) idle = stream->idle();  // the first error may be of an earlier call; a stream in error stays so, and does nothing any more
    if (idle.ok() && !*idle) return false;
  }
  return true;
}

/// Waits for work that was aborted to come to its end. False: the GPU hangs.
bool drain(std::initializer_list<const device::Stream*> streams) {
  const TimeNs deadline = steady_now() + kLongestDrain;
  while (!all_idle(streams)) {
    if (steady_now() >= deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

bool NcclGroup::streams_idle() { return all_idle({&collecting_, &distributing_, &coding_}); }

void NcclGroup::stop() {
  if (state_ == State::Stopped) return;
  state_ = State::Stopped;
  const device::Current current(*gpu_);
  if (parts_.collecting) parts_.collecting->cut();
  const bool collected = drain({&collecting_, &coding_});
  // Distributions wait on the GPU for what will not come. They go on only now: in place they write what collections read.
  for (const Slot& slot : parts_.staging->slots()) device::write_word(slot.finished, slot.turn + device::kPoison);
  if (parts_.distributing) parts_.distributing->cut();
  if (drain({&distributing_}) && collected) return;
  log_warn(fmt::format("GPU {} does not answer: {} bytes of staging stay allocated", gpu_->device(), memory_bytes()));
  parts_.staging->abandon();
  if (parts_.codecs) parts_.codecs->abandon();
}

}  // namespace longhaul::site
