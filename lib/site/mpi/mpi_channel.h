// SPDX-License-Identifier: Apache-2.0
// MpiChannel: a Channel over point-to-point MPI, for ranks of a site that share neither a machine nor a way of our own.
// A fixed pool of buffers per lane and direction: sends from one ring, preposted receives consumed in order from
// another. The lane is the tag. Buffer: 48-byte header (explicit little-endian fields), then the payload.
//
// Flow control: sends are synchronous (MPI_Issend), so a full pool means that the peer has not taken the messages. Only
// last words (Failure, Goodbye) are not: their sender must be able to leave when the receiver has left already.
//
// MPI has no descriptor to wait for, so next_event() asks to be polled: every 20 us while messages are moving, then
// ever more rarely (an eighth of the time since the last movement, at most 1 ms), every 5 ms when nothing moved for a
// second. A poll is a handful of MPI_Test calls per peer, 1 to 3 us: below 1 % of a core for an idle site of 16 ranks.
#pragma once

#include "site/mpi/mpi_calls.h"

#ifdef LH_HAVE_MPI

#include <array>
#include <optional>
#include <vector>

#include "site/channel.h"

namespace longhaul::site {

struct MpiShape {
  std::size_t max_payload = 0;  ///< bytes of one message of a data lane
  std::size_t data_slots = 4;   ///< per direction
  std::size_t control_slots = 64;
};

/// A ring of equal buffers, each with the request that uses it. Counters only grow; buffer of message i: i % slots.
class MpiBufferRing {
 public:
  MpiBufferRing(std::size_t slots, std::size_t stride);

  std::byte* buffer(std::uint64_t index) const { return memory_.get() + (index % requests_.size()) * stride_; }
  MPI_Request& request(std::uint64_t index) { return requests_[static_cast<std::size_t>(index % requests_.size())]; }
  std::size_t slots() const { return requests_.size(); }
  std::size_t stride() const { return stride_; }
  std::size_t bytes() const { return slots() * stride_; }
  /// Leaves memory and pending requests to keep_until_done().
  void leave(const std::shared_ptr<MpiComm>& comm);

 private:
  std::size_t stride_;
  std::shared_ptr<std::byte[]> memory_;
  std::vector<MPI_Request> requests_;
};

class MpiChannel final : public Channel {
 public:
  /// The communicator is shared by the channels of one group. The shape must be equal on both sides.
  MpiChannel(std::shared_ptr<MpiComm> comm, int peer, const MpiShape& shape);
  /// Cancels the receives. Sends the peer has not taken stay alive in the background; the peer may still get them.
  ~MpiChannel() override;
  MpiChannel(const MpiChannel&) = delete;  // MPI knows the addresses of the buffers
  MpiChannel& operator=(const MpiChannel&) = delete;

  bool send(Lane lane, const Message& message, ConstBytes payload) override;
  std::optional<Received> peek(Lane lane) override;
  void pop(Lane lane) override;
  bool progress(TimeNs now) override;
  /// Errors of MPI itself: MPI does not tell of a peer's death (its launcher usually ends the whole job).
  Status health() const override { return status_; }
  bool flushed() const override;
  TimeNs next_event() const override;
  void append_wait_fds(std::vector<pollfd>&) const override {}
  bool arm() override;
  std::size_t memory_bytes() const override;

 private:
  struct LaneState {
    MpiBufferRing out;
    MpiBufferRing in;
    std::uint64_t sent = 0;      // messages handed to MPI
    std::uint64_t taken = 0;     // of them, by MPI's word out of our buffers
    std::uint64_t consumed = 0;  // messages popped; the receive of message `consumed` is the oldest
    std::optional<Received> head;
  };

  LaneState& state(Lane lane) { return lanes_[static_cast<std::size_t>(lane)]; }
  void post_receive(LaneState& lane, std::uint64_t index);
  bool reap_sends(LaneState& lane);
  bool find_head(LaneState& lane);
  bool check(int code, const char* call);
  int tag_of(const LaneState& lane) const { return static_cast<int>(&lane - lanes_.data()); }

  std::shared_ptr<MpiComm> comm_;
  int peer_;
  std::size_t max_payload_;
  std::vector<LaneState> lanes_;
  Status status_;
  bool moved_ = false;  // since the last progress()
  TimeNs now_ = 0;
  TimeNs last_move_ = 0;
};

/// Channels to all ranks of `site`, by rank, the own entry null. Collective over `site` and blocking. lhInvalidUsage
/// where MPI is not initialised for threads.
Result<std::vector<std::unique_ptr<Channel>>> make_mpi_channels(MPI_Comm site, const MpiShape& shape);
inline auto make_mpi_channels(MPI_Comm site, std::size_t max_payload) {
  return make_mpi_channels(site, MpiShape{.max_payload = max_payload});
}

}  // namespace longhaul::site

#endif  // LH_HAVE_MPI
