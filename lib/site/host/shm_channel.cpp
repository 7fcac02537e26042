// SPDX-License-Identifier: Apache-2.0
// Rings, the two "asleep" flags and the doorbell socket put together.
#include "site/host/shm_channel.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <limits>

namespace longhaul::site {

namespace {

// What a sleeping side wants to be woken for.
constexpr std::uint32_t kForMessage = 1;
constexpr std::uint32_t kForRoom = 2;

// An awake channel looks at its socket this often: only a death can be news there.
constexpr TimeNs kDrainInterval = kMillisecond;

constexpr std::array<const char*, kLaneCount> kLaneNames{"control", "collect", "distribute"};

std::size_t index_of(Lane lane) { return static_cast<std::size_t>(lane); }

std::size_t round_up(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

ShmLayout shm_layout(const ShmShape& shape) {
  ShmLayout layout;
  layout.shapes = {RingShape{shape.control_slots, kMaxControlBytes}, RingShape{shape.data_slots, shape.max_payload},
                   RingShape{shape.data_slots, shape.max_payload}};
  for (std::size_t side = 0; side < 2; ++side) {
    layout.flags[side] = layout.bytes;
    layout.bytes += kCacheLine;
  }
  for (std::size_t side = 0; side < 2; ++side) {
    for (std::size_t lane = 0; lane < kLaneCount; ++lane) {
      layout.rings[side][lane] = layout.bytes;
      layout.bytes += ring_bytes(layout.shapes[lane]);
    }
  }
  layout.bytes = round_up(layout.bytes, 4096);
  return layout;
}

ShmChannel::ShmChannel(std::shared_ptr<SharedMemory> memory, const ShmShape& shape, int side, Fd socket, Fd process)
    : memory_(std::move(memory)),
      socket_(std::move(socket)),
      process_(std::move(process)),
      owner_(::getpid()),
      next_drain_(std::numeric_limits<TimeNs>::min()) {
  const ShmLayout layout = shm_layout(shape);
  const Bytes all = memory_->bytes();
  LH_CHECK((side == 0 || side == 1) && all.size() >= layout.bytes);
  const auto mine = static_cast<std::size_t>(side);
  const std::size_t theirs = 1 - mine;
  for (std::size_t lane = 0; lane < kLaneCount; ++lane) {
    const std::size_t bytes = ring_bytes(layout.shapes[lane]);
    out_.emplace_back(all.subspan(layout.rings[mine][lane], bytes), layout.shapes[lane]);
    in_.emplace_back(all.subspan(layout.rings[theirs][lane], bytes), layout.shapes[lane]);
  }
  my_flag_ = reinterpret_cast<Flag*>(all.data() + layout.flags[mine]);
  peer_flag_ = reinterpret_cast<Flag*>(all.data() + layout.flags[theirs]);
}

ShmChannel::~ShmChannel() {
  // A forked child may hold a copy of the socket, so closing ours would not be noticed; and such a child's copy of this
  // object must not hang up for its parent.
  if (::getpid() == owner_) ::shutdown(socket_.get(), SHUT_RDWR);
}

bool ShmChannel::send(Lane lane, const Message& message, ConstBytes payload) {
  if (damaged_) return false;
  const std::size_t i = index_of(lane);
  const RingState state = out_[i].push(message, payload);
  if (state == RingState::Corrupt) {
    damaged_ = true;
    fail(error(lhRemoteError, "the peer damaged the shared memory of lane '{}': it consumed what was never sent",
               kLaneNames[i]));
  }
  blocked_[i] = state == RingState::Blocked;
  if (state != RingState::Ok) return false;
  wake_peer(kForMessage);
  return true;
}

std::optional<Received> ShmChannel::peek(Lane lane) {
  if (damaged_) return std::nullopt;
  const std::size_t i = index_of(lane);
  Received received;
  const RingState state = in_[i].peek(&received);
  if (state == RingState::Corrupt) {
    damaged_ = true;
    fail(error(lhRemoteError,
               "the peer damaged the shared memory of lane '{}': impossible message count or payload size",
               kLaneNames[i]));
  }
  if (state != RingState::Ok) return std::nullopt;
  return received;
}

void ShmChannel::pop(Lane lane) {
  in_[index_of(lane)].pop();
  wake_peer(kForRoom);
}

void ShmChannel::wake_peer(std::uint32_t reason) {
  if ((peer_flag_->load(std::memory_order_seq_cst) & reason) == 0) return;
  if (peer_flag_->exchange(0, std::memory_order_seq_cst) == 0) return;  // it woke up by itself just now
  const char byte = 1;
  // A full socket means that it was rung often enough; a closed one is noticed by drain().
  (void)::send(socket_.get(), &byte, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

bool ShmChannel::progress(TimeNs now) {
  bool moved = false;
  if (armed_ || now >= next_drain_) {
    my_flag_->store(0, std::memory_order_seq_cst);
    armed_ = false;
    next_drain_ = now + kDrainInterval;
    moved = drain();
  }
  return look() || moved;
}

bool ShmChannel::look() {
  bool moved = false;
  for (std::size_t i = 0; i < kLaneCount; ++i) {
    const std::uint64_t published = in_[i].published();
    if (published != seen_[i]) moved = true;
    seen_[i] = published;
  }
  return moved;
}

bool ShmChannel::drain() {
  if (peer_gone_) return false;
  std::array<pollfd, 2> fds{pollfd{socket_.get(), POLLIN, 0}, pollfd{process_.get(), POLLIN, 0}};
  if (::poll(fds.data(), fds.size(), 0) <= 0) return false;
  bool ended = fds[1].revents != 0;
  if (fds[0].revents != 0) {
    std::array<char, 64> bytes;
    const ssize_t got = ::recv(socket_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) ended = true;
  }
  if (ended) {
    peer_gone_ = true;
    fail(error(lhRemoteError,
               "the peer's process ended or closed its communicator (its shared-memory socket is closed)"));
  }
  return true;
}

void ShmChannel::fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
}

void ShmChannel::append_wait_fds(std::vector<pollfd>& fds) const {
  if (peer_gone_) return;
  fds.push_back({socket_.get(), POLLIN, 0});
  if (process_.valid()) fds.push_back({process_.get(), POLLIN, 0});
}

bool ShmChannel::arm() {
  std::uint32_t reasons = kForMessage;
  for (const bool blocked : blocked_) {
    if (blocked) reasons |= kForRoom;
  }
  armed_ = true;
  my_flag_->store(reasons, std::memory_order_seq_cst);
  bool quiet = true;
  for (std::size_t i = 0; i < kLaneCount; ++i) {
    if (in_[i].published() != seen_[i]) quiet = false;
    if (blocked_[i] && out_[i].has_room()) {
      blocked_[i] = false;  // told once: the owner may have given up on sending
      quiet = false;
    }
  }
  return quiet;
}

Result<std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>> make_local_pair(const ShmShape& shape) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return error(lhSystemError, "cannot create a socket pair: {}", std::strerror(errno));
  }
  Fd first(ends[0]);
  Fd second(ends[1]);
  const std::size_t bytes = shm_layout(shape).bytes;
  Result<Fd> file = create_shared_file(bytes);
  if (!file.ok()) return file.take_status();
  Result<std::shared_ptr<SharedMemory>> memory = map_shared_file(file->get(), bytes);
  if (!memory.ok()) return memory.take_status();
  return std::pair<std::unique_ptr<Channel>, std::unique_ptr<Channel>>(
      std::make_unique<ShmChannel>(*memory, shape, 0, std::move(first), Fd()),
      std::make_unique<ShmChannel>(*memory, shape, 1, std::move(second), Fd()));
}

}  // namespace longhaul::site
