// SPDX-License-Identifier: Apache-2.0
#include "device/turnstile.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/log.h"

namespace longhaul::device {
namespace {

/// Streams that still have to pass when a communicator is destroyed: work before the call may take so long, not longer.
constexpr TimeNs kLongestPassage = 5 * kSecond;
constexpr std::size_t kManyStreams = 64;

bool has_passed(const Event& event) {
  const auto reached = event.reached();
  return !reached.ok() || *reached;  // a GPU in error has stopped everything
}

}  // namespace

Result<std::unique_ptr<Turnstile>> Turnstile::make(std::shared_ptr<const Gpu> gpu) {
  const Current current(*gpu);
  if (!current.status().ok()) return current.status();
  auto word = Pinned::make(gpu, kWordSpacing);
  if (!word.ok()) return word.take_status();
  reset_word(reinterpret_cast<std::uint32_t*>(word->get()));
  struct Made : Turnstile {
    Made(std::shared_ptr<const Gpu> on, Pinned memory) : Turnstile(std::move(on), std::move(memory)) {}
  };
  return std::unique_ptr<Turnstile>(std::make_unique<Made>(std::move(gpu), std::move(*word)));
}

Turnstile::~Turnstile() {
  const Current current(*gpu_);
  release_all();
  // A wait that its stream has not come to yet reads the word when it does.
  const TimeNs deadline = steady_now() + kLongestPassage;
  while (!all_passed() && steady_now() < deadline) std::this_thread::sleep_for(std::chrono::microseconds(200));
  if (!all_passed()) {
    log_warn("a stream has not come to its Longhaul call yet although the communicator is destroyed: 128 bytes stay allocated for it");
    word_memory_.abandon();
  }
  entered_.clear();
  spare_.clear();
  passages_.clear();
  const Pinned freed_here(std::move(word_memory_));
}

Result<Event> Turnstile::take_event() {
  {
    const std::lock_guard lock(mutex_);
    if (!spare_.empty()) {
      Event event = std::move(spare_.back());
      spare_.pop_back();
      return event;
    }
  }
  return Event::make(gpu_);
}

Result<std::uint32_t> Turnstile::enter(CuStream stream) {
  const Current current(*gpu_);
  if (!current.status().ok()) return current.status();
  const Cuda& cuda = gpu_->cuda();
  int capturing = 0;
  if (Status status = gpu_->check(cuda.stream_is_capturing(stream, &capturing), "cuStreamIsCapturing"); !status.ok()) return status;
  if (capturing != kCaptureNone)
    return error(lhUnsupported, "the stream is being captured into a graph: a call that crosses the WAN cannot be replayed, so issue it outside "
                 "of the capture");
  auto event = take_event();
  if (!event.ok()) return event.take_status();
  auto passed = passage_of(stream);
  if (!passed.ok()) return passed.take_status();
  if (Status status = event->record(stream); !status.ok()) return status;
  const std::uint32_t number = last_.load(std::memory_order_relaxed) + 1;
  Status waits = gpu_->check(cuda.stream_wait_value(stream, cu_pointer(word()), number, kWaitGreaterOrEqual), "cuStreamWaitValue32");
  if (!waits.ok()) return waits;
  last_.store(number, std::memory_order_relaxed);
  // The call is in the stream and stays there. Where this fails twice the GPU is broken, and the word is never freed.
  if (!(*passed)->record(stream).ok() && !(*passed)->record(stream).ok()) lost_track_ = true;
  const std::lock_guard lock(mutex_);
  entered_.push_back({number, std::move(*event)});
  return number;
}

/// One event a stream, recorded again behind its latest wait.
Result<Event*> Turnstile::passage_of(CuStream stream) {
  if (passages_.size() >= kManyStreams) std::erase_if(passages_, [&](const Passage& p) { return p.stream != stream && has_passed(p.passed); });
  auto known = std::find_if(passages_.begin(), passages_.end(), [&](const Passage& passage) { return passage.stream == stream; });
  if (known != passages_.end()) return &known->passed;
  auto event = Event::make(gpu_);
  if (!event.ok()) return event.take_status();
  passages_.push_back({stream, std::move(*event)});
  return &passages_.back().passed;
}

Result<bool> Turnstile::reached(std::uint32_t number) {
  const Current current(*gpu_);
  if (!current.status().ok()) return current.status();
  const std::lock_guard lock(mutex_);
  const auto entry = std::find_if(entered_.begin(), entered_.end(), [&](const Entry& e) { return e.number == number; });
  if (entry == entered_.end()) return true;
  auto reached = entry->event.reached();
  if (!reached.ok() || !*reached) return reached;
  spare_.push_back(std::move(entry->event));
  entered_.erase(entry);
  return true;
}

void Turnstile::leave(std::uint32_t number) {
  if (!released_) write_word(word(), number);
}

void Turnstile::release_all() {
  released_ = true;
  write_word(word(), last_.load(std::memory_order_relaxed) + kPoison);
}

bool Turnstile::all_passed() {
  return !lost_track_ && std::all_of(passages_.begin(), passages_.end(), [](const Passage& passage) { return has_passed(passage.passed); });
}

}  // namespace longhaul::device
