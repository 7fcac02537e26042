// SPDX-License-Identifier: Apache-2.0
// Engine: everything one rank of one communicator does, in one duty cycle: step(now). It owns the links, the in-site group, the
// operations and their chunks. One thread at a time makes all calls except submit/abort/leave, which any thread may make;
// so the same object runs in the product (runner.h: one thread, armed and asleep when idle) and in the deterministic
// simulator (many engines, one thread, a manual clock).
//
//   step:  1 commands   2 poll   3 control messages   4 agreement   5 start chunks   6 collect, exchange, distribute
//          7 complete   8 deadlines and failures      9 post
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "engine/chunk_run.h"
#include "engine/device_work.h"
#include "engine/feedback.h"
#include "engine/links.h"
#include "engine/operation.h"
#include "engine/site_rates.h"
#include "engine/trace.h"
#include "site/group.h"
#include "site/nccl/nccl_group.h"
#include "wire/announcement.h"

namespace longhaul::engine {

struct EngineOptions {
  std::uint64_t chunk_bytes = 0;      ///< wan.chunk; 0: automatic
  std::uint64_t blob_bytes = 64 << 20;  ///< memory for encoded parts waiting to be acknowledged
  std::uint64_t feedback_bytes = std::uint64_t{4} << 30;  ///< most memory of all error-feedback states
  bool warn = true;
};

struct EngineStats {
  std::uint64_t operations = 0, failed_operations = 0, payload_bytes = 0;
  std::uint64_t wan_bytes_sent = 0, wan_bytes_received = 0, resent_bytes = 0, reconnects = 0, dropped_frames = 0;
  std::uint64_t rtt_ns = 0, least_rtt_ns = 0, memory_bytes = 0, streams = 0, window_bytes = 0, chunk_bytes = 0;
  std::uint64_t gpu_chunks = 0;  ///< encoded by kernels
  std::array<std::uint64_t, site::kGpuPhases> gpu_ns{};  ///< how long GPUs were in each phase; only where there is a trace
  bool empty_paths = false;  ///< since links_carry() no link had a queue, as far as all sessions can tell
  double delivery_rate = 0;  ///< bytes a second that the slowest link carried since links_carry(); 0: some session cannot tell
  double link_rate = 0;  ///< bytes a second of the slowest link, as the sessions know it; 0: they do not
};

class Engine final : private LinkEvents {
 public:
  /// `links` may be null (nobody to reach through a transport); `group` may be null in a site of one rank.
  /// `trace`: null for none. `device`: null on a host communicator; calls on host memory are possible beside it.
  Engine(Members members, EngineOptions options, std::unique_ptr<Links> links, std::unique_ptr<site::Group> group,
         std::unique_ptr<Trace> trace = nullptr, std::unique_ptr<site::NcclGroup> device = nullptr);
  ~Engine() override;

  // -- any thread
  /// Before submit(), of an all-reduce with a codec: its errors are added to the next call of the same tag. The request must then be
  /// submitted. Where the codec loses nothing, or nobody is at another site, nothing happens.
  Status use_feedback(Request* request, std::uint64_t tag);
  Feedback& feedback() { return feedback_; }
  /// Queues a call. The request belongs to the engine until it is done; it is done before the engine is destroyed.
  void submit(Request* request);
  /// Calls of the user queued so far, and what that number is to be for the next: what a checkpoint keeps. Equal on all ranks.
  std::uint64_t calls() const;
  void continue_from(std::uint64_t calls);
  /// Fails the communicator with lhAborted at the next step.
  void abort();
  /// Starts leaving: calls still pending end with lhAborted, peers are told goodbye. left() becomes true when all is flushed or `deadline`.
  void leave(TimeNs deadline);
  /// Every link to another site carries so many bytes a second: sessions pace to it, and correct it while they run.
  void links_carry(double bytes_per_second);
  /// The final error, or success.
  Status failure() const;
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  EngineStats stats() const;
  /// Calls on device memory can run; false also where the engine has failed, or has no device.
  bool device_ready() const { return device_ready_.load(std::memory_order_acquire); }

  // -- the engine's thread
  bool step(TimeNs now);
  TimeNs next_event() const;
  void append_wait_fds(std::vector<pollfd>& fds) const;
  bool arm();
  bool left() const { return left_; }
  bool has_calls() const { return first_operation_ < next_operation_; }
  /// All that is under way is at most one chunk: its next message follows this one closely, or after a one-way delay.
  bool waits_for_little() const { return has_calls() && chunks_planned_ - first_chunk_ <= 1; }
  Links* links() { return links_.get(); }

 private:
  static constexpr std::size_t kMaxOperations = 64;
  static constexpr std::size_t kMaxChunks = 128;

  enum class Leaving { No, Requested, Flushing };

  // engine_calls.cpp
  void take_commands();
  Request* pop_command();
  void activate(Request* request);
  Operation* find(std::uint64_t sequence);
  void agree(Operation* operation);
  void on_announcement(int rank, bool in_site, const wire::Message& message, ConstBytes payload);
  void check_announcement(Operation* operation, int rank, bool in_site, const wire::Announcement& theirs);
  bool complete_finished();
  void check_deadlines(TimeNs now);
  bool waits_only_for_its_site(const Operation& operation);
  std::string missing_text(const Operation& operation, TimeNs now);
  std::string stage_text(const Operation& operation);

  // engine_chunks.cpp
  bool start_chunks();
  bool collect_chunks();
  bool advance(ChunkRun* run);
  bool send_contributions(ChunkRun* run);
  void finish_if_done(ChunkRun* run);
  ChunkRun* find_chunk(const wire::Message& message);
  void mark(ChunkRun* run, Mark mark) {
    if (trace_) run->marks[static_cast<std::size_t>(mark)] = steady_now();
    if (ranges_wanted_) show(run, mark);
  }
  void trace(const ChunkRun& run);
  void show(ChunkRun* run, Mark reached);
  void trace(const Operation& operation);
  ChunkRun& run_at(std::uint64_t number) { return runs_[number % kMaxChunks]; }

  // engine_messages.cpp
  void on_link_message(int rank, const link::Delivery& delivery, transport::Inbound payload) override;
  void on_contribution(Held held);
  void attach(ChunkRun* run, Held held);
  void take_early(const Operation& operation, ChunkRun* run);
  bool drain_control(int peer);
  bool drain_results(int peer);
  bool on_result(int peer, const site::Received& received, bool* consumed);
  void handle_control(int rank, bool in_site, const wire::Message& message, ConstBytes payload);

  // engine_device.cpp
  bool progress_device();
  bool enter(Operation* operation);
  bool may_start(const Operation& operation) const;
  void stage(ChunkRun* run);
  site::Collected collect(ChunkRun* run);
  bool combine(ChunkRun* run);
  bool distribute_staged(ChunkRun* run);
  bool on_ready(int peer, ChunkRun& run, const site::Received& received);
  void end_device(bool destroyed);

  // engine_rates.cpp
  void believe_rates();
  bool tell_rates();
  void on_rates(int rank, ConstBytes payload);

  // engine_failure.cpp
  void fail(Status status, const std::string& notice, lhResult_t notice_code);
  void fail(Status status);
  void on_failure_notice(int rank, ConstBytes payload);
  void on_goodbye(int rank, const wire::Message& message);
  void check_health(TimeNs now);
  bool tell_everyone();
  bool tell(int rank, const wire::Message& message, ConstBytes payload);
  void continue_leaving(TimeNs now);
  bool flushed(TimeNs now);
  EngineStats count() const;
  void publish();

  bool in_site(int rank) const { return members_.topology.site_of(rank) == members_.site(); }
  site::Channel* channel(int rank) {
    return group_ && in_site(rank) && rank != members_.rank ? &group_->channel(members_.topology.site_rank_of(rank))
                                                            : nullptr;
  }

  Members members_;
  EngineOptions options_;
  Feedback feedback_;
  std::unique_ptr<link::BlobPool> blobs_;  // before links_: sessions hold blobs
  std::unique_ptr<Links> links_;
  std::unique_ptr<site::Group> group_;
  std::unique_ptr<Trace> trace_;
  const bool ranges_wanted_ = ranges_wanted();
  std::unique_ptr<site::NcclGroup> device_;
  std::vector<int> wan_peers_;

  SiteRates rates_;
  std::vector<Operation> operations_;  // ring by sequence
  std::uint64_t first_operation_ = 1, next_operation_ = 1;
  std::vector<ChunkRun> runs_;  // ring by running number
  std::uint64_t first_chunk_ = 0, next_chunk_ = 0, collect_next_ = 0;
  std::uint64_t chunks_planned_ = 0;  // of all activated operations
  ChunkWork work_;
  DeviceWork device_work_;

  struct Early {
    Held held;
    bool in_site = false;
  };
  std::vector<Early> early_;  // messages of calls or chunks that have not begun here

  // Peers: what has become of them.
  std::vector<std::uint64_t> goodbye_after_;  // by rank: last call it took part in; kStays while it is here
  static constexpr std::uint64_t kStays = ~std::uint64_t{0};

  // Telling the others about a failure or a goodbye: one message, each rank once.
  wire::Message broadcast_;
  std::vector<std::byte> broadcast_payload_;
  std::vector<bool> told_;
  bool telling_ = false;

  Leaving leaving_ = Leaving::No;
  TimeNs leave_deadline_ = kNever;
  TimeNs linger_until_ = kNever;
  TimeNs quiet_since_ = kNever;
  bool failed_before_leaving_ = false;
  bool left_ = false;
  TimeNs now_ = 0;
  EngineStats counters_;
  bool unpublished_ = false;  // something moved since publish()
  EngineStats bring_up_;  // what the bring-up's own call cost: not the user's

  // Shared with other threads.
  mutable std::mutex mutex_;
  std::vector<Request*> commands_;  // from commands_head_ on; keeps its memory
  std::size_t commands_head_ = 0;
  bool abort_requested_ = false;
  TimeNs leave_requested_ = kNever;
  std::uint64_t calls_ = 0;
  double links_carry_ = 0;  // to be told to the sessions; 0: nothing new
  Status failure_;
  EngineStats published_;
  std::atomic<bool> commands_pending_{false};
  std::atomic<bool> failed_{false};
  std::atomic<bool> device_ready_{false};
};

}  // namespace longhaul::engine
