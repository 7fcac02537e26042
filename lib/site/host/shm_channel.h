// SPDX-License-Identifier: Apache-2.0
// ShmChannel: a Channel over shared memory, for two ranks of one machine or of one process. One ring per lane and
// direction carries the data; a connected Unix stream socket is the doorbell (a byte is written only when the other
// side said it sleeps) and the death notice (it closes with the peer's process).
//
// Sleeping, Dekker's pattern, all four accesses sequentially consistent, so that at least one side sees the other:
//   sleeper: asleep = 1;     look at the counters again; poll the socket
//   waker:   counter += 1;   if asleep: asleep = 0, write a byte
//
// Everything sent lies in memory the peer has mapped as well: it survives the sender's end, hence flushed() is always
// true.
#pragma once

#include <sys/types.h>

#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "site/channel.h"
#include "site/host/ring.h"
#include "site/host/shared_memory.h"

namespace longhaul::site {

struct ShmShape {
  std::size_t max_payload = 0;  ///< bytes of one message of a data lane
  std::size_t data_slots = 4;
  std::size_t control_slots = 64;
};

/// Where things are in the memory of one channel. Pure function of the shape; side 0 writes rings[0] and sleeps by
/// flags[0].
struct ShmLayout {
  std::array<RingShape, kLaneCount> shapes;
  std::array<std::array<std::size_t, kLaneCount>, 2> rings;
  std::array<std::size_t, 2> flags;
  std::size_t bytes = 0;
};
ShmLayout shm_layout(const ShmShape& shape);

class ShmChannel final : public Channel {
 public:
  /// `memory` has shm_layout(shape).bytes, all zero when the first side is made. `side` is 0 on one end and 1 on the
  /// other. `process` (may be empty) is a pidfd of the peer: it notices the peer's death even where a forked child of
  /// the peer keeps the socket open.
  ShmChannel(std::shared_ptr<SharedMemory> memory, const ShmShape& shape, int side, Fd socket, Fd process);
  ~ShmChannel() override;
  ShmChannel(const ShmChannel&) = delete;  // the rings' private counters cannot be in two places
  ShmChannel& operator=(const ShmChannel&) = delete;

  bool send(Lane lane, const Message& message, ConstBytes payload) override;
  std::optional<Received> peek(Lane lane) override;
  void pop(Lane lane) override;
  bool progress(TimeNs now) override;
  Status health() const override { return status_; }
  bool flushed() const override { return true; }
  void append_wait_fds(std::vector<pollfd>& fds) const override;
  bool arm() override;
  /// Half of the shared memory: the peer counts the other half.
  std::size_t memory_bytes() const override { return memory_->bytes().size() / 2; }

 private:
  using Flag = std::atomic<std::uint32_t>;

  void wake_peer(std::uint32_t reason);
  bool look();
  bool drain();
  void fail(Status status);

  std::shared_ptr<SharedMemory> memory_;
  std::vector<RingProducer> out_;
  std::vector<RingConsumer> in_;
  Flag* my_flag_;
  Flag* peer_flag_;
  Fd socket_;
  Fd process_;
  pid_t owner_;
  Status status_;
  bool peer_gone_ = false;  // what arrived stays readable
  bool damaged_ = false;    // nothing more is read or written
  bool armed_ = false;
  std::array<std::uint64_t, kLaneCount> seen_{};  // published() at the last look()
  std::array<bool, kLaneCount> blocked_{};        // send() returned false and nobody was told of room since
  TimeNs next_drain_;
};

/// Two connected channels inside one process.
Result<std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>> make_local_pair(const ShmShape& shape);
inline auto make_local_pair(std::size_t max_payload) { return make_local_pair(ShmShape{.max_payload = max_payload}); }

}  // namespace longhaul::site
