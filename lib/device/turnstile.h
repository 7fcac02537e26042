// SPDX-License-Identifier: Apache-2.0
// Turnstile: where the user's streams pass into a communicator's calls and out of them. A call enters: from there on its stream
// stops until the call is done, on the GPU and not on the host. The engine sees when the stream has come so far, and lets calls out in the
// order in which they entered. One pinned word does it for all calls: the number of the last call that is done.
//
//   user's stream   ... work | entered (event) | word >= number (wait) | more work ...
//   engine                        reached()?  ->  the call  ->  leave(number)
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "device/owned.h"
#include "device/words.h"

namespace longhaul::device {

class Turnstile {
 public:
  static Result<std::unique_ptr<Turnstile>> make(std::shared_ptr<const Gpu> gpu);
  ~Turnstile();

  const Gpu& gpu() const { return *gpu_; }

  /// Any thread, one at a time: callers order their calls among each other (enter and submit under one lock). Does not wait for the GPU,
  /// unless the stream's own queue is full of work.
  /// lhUnsupported where the stream is being captured.
  Result<std::uint32_t> enter(CuStream stream);

  // -- the engine's thread
  /// Whether the stream of call `number` has come to the call. True once, then the number is forgotten.
  Result<bool> reached(std::uint32_t number);
  /// Calls up to `number` are done: their streams go on.
  void leave(std::uint32_t number);
  /// Every stream goes on, whatever it waits for, now and from now on.
  void release_all();

 private:
  struct Entry {
    std::uint32_t number;
    Event event;
  };
  struct Passage {  // one of the streams that came here
    CuStream stream;
    Event passed;
  };

  Turnstile(std::shared_ptr<const Gpu> gpu, Pinned word) : gpu_(std::move(gpu)), word_memory_(std::move(word)) {}
  Result<Event> take_event();
  Result<Event*> passage_of(CuStream stream);
  bool all_passed();
  std::uint32_t* word() { return reinterpret_cast<std::uint32_t*>(word_memory_.get()); }

  std::shared_ptr<const Gpu> gpu_;
  Pinned word_memory_;
  std::atomic<std::uint32_t> last_{0};
  // Not held while work is put into a stream: one whose queue is full makes its caller wait for the engine.
  std::mutex mutex_;
  std::deque<Entry> entered_;
  std::vector<Event> spare_;
  // Of those who enter, and of the destructor.
  std::vector<Passage> passages_;
  bool lost_track_ = false;  // a stream may be waiting that is not in passages_
  bool released_ = false;    // the engine's
};

}  // namespace longhaul::device
