// SPDX-License-Identifier: Apache-2.0
// NcclGroup: the in-site half of a collective on device memory, one chunk at a time: what Group is for host memory. "Collect" brings
// this rank's part, reduced over the site, to pinned memory; "distribute" brings the finished part from there to every rank.
//
//   collecting stream     reduce-scatter(k) | copy to in(k) | collected = turn | reduce-scatter(k+1) ...
//   engine                                      encode, WAN, decode + add into out(k), finish(k) once the whole site has it
//   distributing stream   finished >= turn ? | copy from out(k) | all-gather(k) | distributed = turn | ...
//
// Where kernels encode and combine (Slot::by_gpu), blobs are what is copied to in(k), encoded before that in the same stream; and a third
// stream decodes and adds.
//
// Order: every chunk issues its collection and then its distribution, chunk after chunk; so all ranks of a site make the same NCCL calls
// in the same order, whatever arrives when. The two halves have a communicator and a stream each, so that a chunk whose WAN part
// is late holds back nobody's collection. A distribution starts on the GPU only when the whole site has its parts, so no kernel waits
// there for the WAN. Nothing blocks. All calls on the engine's thread.
#pragma once

#include <functional>

#include "base/clock.h"
#include "device/turnstile.h"
#include "site/nccl/gpu_times.h"
#include "site/nccl/moves.h"
#include "site/nccl/rehearsal.h"
#include "site/nccl/staging.h"

namespace longhaul::site {

/// What a group is made of. `halves` are null at a site of one rank, which needs no NCCL.
struct NcclParts {
  std::shared_ptr<device::Turnstile> turnstile;
  std::unique_ptr<Staging> staging;
  std::unique_ptr<device::Codecs> codecs;  ///< null: the CPU encodes. Else the staging memory is for that, too
  std::unique_ptr<NcclComm> collecting, distributing;
  std::function<void(NcclComm*)> start;  ///< begins to connect one of them, called on the engine's thread
  int rank = 0, ranks = 1;               ///< in the site
  bool timed = false;                    ///< times() is asked
};

class NcclGroup {
 public:
  static Result<std::unique_ptr<NcclGroup>> make(const std::shared_ptr<const device::Gpu>& gpu, NcclParts parts);
  ~NcclGroup();

  device::Turnstile& turnstile() { return *parts_.turnstile; }

  /// Whether the communicators of the site are connected and rehearsed.
  bool ready() const { return state_ == State::Ready; }
  bool has_room() const { return ready() && !parts_.staging->empty(); }
  /// Whether kernels can encode and combine: Slot::by_gpu, set together with Slot::encoding between start() and the next progress().
  bool has_codecs() const { return parts_.codecs != nullptr; }
  const Staging& staging() const { return *parts_.staging; }

  /// Takes the next chunk. Call only where has_room(). The task's spans must live until give_back().
  Slot* start(const DeviceTask& task);
  bool collected(const Slot& slot) const { return device::has_reached(slot.collected, slot.turn); }
  /// Issues it in the coding stream, one thing at a time for a slot; coded() tells when it is done. Failures show in health().
  void code(Slot* slot, const Coding& coding);
  bool coded(const Slot& slot) const { return device::has_reached(slot.coded, slot.coding_turn); }
  /// The finished part is complete, at every rank of the site.
  static void finish(const Slot& slot) { device::write_word(slot.finished, slot.turn); }
  bool distributed(const Slot& slot) const { return slot.issued && device::has_reached(slot.distributed, slot.turn); }
  /// What the GPU did when, of a chunk that is distributed; nothing where parts were not `timed`.
  GpuSpans times(const Slot& slot);
  void give_back(Slot* slot) { parts_.staging->give_back(slot); }

  /// Issues what can be issued; true: something was.
  bool progress(TimeNs now);
  /// Not ok once a call of CUDA or NCCL has failed.
  const Status& health() const { return trouble_; }
  /// When to look again: nothing wakes the engine when the GPU writes a word.
  TimeNs next_event(TimeNs now) const;
  /// Something moved: the GPU is likely to be quick again.
  void moved(TimeNs now) { last_moved_ = now; }
  bool busy() const { return state_ == State::Connecting || state_ == State::Rehearsing || !parts_.staging->all_free(); }
  std::size_t memory_bytes() const { return parts_.staging->memory_bytes(); }

  /// Leaves in order: what other ranks still need of this one is flushed. closed() tells when.
  void close(TimeNs now);
  bool closed(TimeNs now);
  /// Ends everything that is under way. When it returns the GPU does not touch anybody's memory any more, or does not answer.
  void stop();

 private:
  enum class State { Connecting, Rehearsing, Ready, Closing, Stopped };
  enum class Step { Collect, Stage, Distribute, Finish };
  struct Issue {
    DeviceTask task;
    Slot* slot = nullptr;
    Step step = Step::Collect;
  };

  NcclGroup(std::shared_ptr<const device::Gpu> gpu, NcclParts parts, device::Stream collecting, device::Stream distributing,
            device::Stream coding);
  void connect();
  void rehearse();
  bool advance(Issue* issue);
  bool stage(const Issue& issue);
  bool deliver(const Issue& issue);
  std::size_t number_of(const Slot& slot) { return static_cast<std::size_t>(&slot - parts_.staging->slots().data()); }
  void begin(const Slot& slot, GpuPhase phase, const device::Stream& stream);
  void end(const Slot& slot, GpuPhase phase, const device::Stream& stream);
  void check_health(TimeNs now);
  bool take_trouble();
  bool streams_idle();

  std::shared_ptr<const device::Gpu> gpu_;
  NcclParts parts_;
  device::Stream collecting_, distributing_;
  device::Stream coding_;  // its own: what is combined must not stand behind NCCL's kernels, which wait for other ranks
  State state_ = State::Connecting;
  NcclComm* connecting_ = nullptr;
  std::unique_ptr<Rehearsal> rehearsal_;
  std::unique_ptr<GpuTimes> times_;  // null: not timed
  std::vector<Issue> issues_;  // a ring of one entry a slot: what is not in the streams yet
  std::uint64_t first_issue_ = 0, next_issue_ = 0;
  Status trouble_;
  TimeNs last_moved_ = 0, last_check_ = 0, closing_until_ = kNever;
};

}  // namespace longhaul::site
