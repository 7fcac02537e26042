// SPDX-License-Identifier: Apache-2.0
// Point-to-point MPI as a channel. Messages of one tag between two ranks do not overtake each other, and preposted
// receives match in the order they were posted: so only the oldest request of each ring is ever tested.
#include "site/mpi/mpi_channel.h"

#ifdef LH_HAVE_MPI

#include <algorithm>
#include <climits>
#include <cstring>
#include <utility>

namespace longhaul::site {

namespace {

constexpr std::size_t kHeaderBytes = 48;  // 40 used
constexpr std::size_t kAlignment = 64;

constexpr TimeNs kFastPoll = 20 * kMicrosecond;
constexpr TimeNs kSlowPoll = kMillisecond;
constexpr TimeNs kIdlePoll = 5 * kMillisecond;

void write_header(const Message& message, std::byte* buffer) {
  ByteWriter writer(Bytes(buffer, kHeaderBytes));
  writer.u32(message.kind);
  writer.u32(message.chunk);
  writer.u64(message.operation);
  writer.u64(message.signature);
  writer.u64(message.begin);
  writer.u32(message.codec);
  writer.u32(0);
  writer.u64(0);
}

Message read_header(const std::byte* buffer) {
  ByteReader reader(ConstBytes(buffer, kHeaderBytes));
  Message message;
  message.kind = reader.u32();
  message.chunk = reader.u32();
  message.operation = reader.u64();
  message.signature = reader.u64();
  message.begin = reader.u64();
  message.codec = reader.u32();
  return message;
}

std::size_t stride_of(std::size_t max_payload) {
  return (kHeaderBytes + max_payload + kAlignment - 1) / kAlignment * kAlignment;
}

bool is_last_word(const Message& message) { return message.kind == wire::kFailure || message.kind == wire::kGoodbye; }

}  // namespace

MpiBufferRing::MpiBufferRing(std::size_t slots, std::size_t stride)
    : stride_(stride),
      memory_(std::make_unique_for_overwrite<std::byte[]>(slots * stride)),
      requests_(slots, MPI_REQUEST_NULL) {}

void MpiBufferRing::leave(const std::shared_ptr<MpiComm>& comm) {
  std::erase_if(requests_, [](MPI_Request request) { return request == MPI_REQUEST_NULL; });
  if (!requests_.empty()) keep_until_done(comm, std::move(requests_), std::move(memory_));
}

MpiChannel::MpiChannel(std::shared_ptr<MpiComm> comm, int peer, const MpiShape& shape)
    : comm_(std::move(comm)), peer_(peer), max_payload_(shape.max_payload) {
  LH_CHECK(shape.data_slots > 0 && shape.control_slots > 0);
  lanes_.reserve(kLaneCount);
  for (int i = 0; i < kLaneCount; ++i) {
    const bool control = static_cast<Lane>(i) == Lane::Control;
    const std::size_t slots = control ? shape.control_slots : shape.data_slots;
    const std::size_t stride = stride_of(control ? kMaxControlBytes : shape.max_payload);
    lanes_.push_back({MpiBufferRing(slots, stride), MpiBufferRing(slots, stride), 0, 0, 0, std::nullopt});
    for (std::uint64_t message = 0; message < slots; ++message) post_receive(lanes_.back(), message);
  }
}

MpiChannel::~MpiChannel() {
  if (!mpi_available()) {
    // Too late to ask: MPI_Finalize has ended all requests.
    return;
  }
  for (LaneState& lane : lanes_) {
    for (std::uint64_t i = 0; i < lane.in.slots(); ++i) {
      if (lane.in.request(i) != MPI_REQUEST_NULL) MPI_Cancel(&lane.in.request(i));
    }
    lane.in.leave(comm_);
    lane.out.leave(comm_);
  }
}

bool MpiChannel::check(int code, const char* call) {
  if (code == MPI_SUCCESS) return true;
  if (status_.ok()) status_ = error(lhRemoteError, "{} with siteRank {} failed: {}", call, peer_, mpi_error_text(code));
  return false;
}

void MpiChannel::post_receive(LaneState& lane, std::uint64_t index) {
  check(MPI_Irecv(lane.in.buffer(index), static_cast<int>(lane.in.stride()), MPI_BYTE, peer_, tag_of(lane),
                  comm_->get(), &lane.in.request(index)),
        "MPI_Irecv");
}

bool MpiChannel::send(Lane lane, const Message& message, ConstBytes payload) {
  LaneState& to = state(lane);
  LH_CHECK(payload.size() <= (lane == Lane::Control ? kMaxControlBytes : max_payload_));
  if (!status_.ok()) return false;
  if (to.sent - to.taken == to.out.slots()) {
    reap_sends(to);
    if (to.sent - to.taken == to.out.slots()) return false;
  }
  std::byte* buffer = to.out.buffer(to.sent);
  write_header(message, buffer);
  if (!payload.empty()) std::memcpy(buffer + kHeaderBytes, payload.data(), payload.size());
  const auto start = is_last_word(message) ? &MPI_Isend : &MPI_Issend;
  const auto bytes = static_cast<int>(kHeaderBytes + payload.size());
  if (!check(start(buffer, bytes, MPI_BYTE, peer_, tag_of(to), comm_->get(), &to.out.request(to.sent)), "MPI_Issend")) {
    return false;
  }
  ++to.sent;
  moved_ = true;
  return true;
}

bool MpiChannel::reap_sends(LaneState& lane) {
  bool any = false;
  while (lane.taken != lane.sent) {
    int done = 0;
    if (!check(MPI_Test(&lane.out.request(lane.taken), &done, MPI_STATUS_IGNORE), "MPI_Issend") || done == 0) break;
    ++lane.taken;
    any = true;
  }
  moved_ = moved_ || any;
  return any;
}

/// True when the lane's head message arrived just now.
bool MpiChannel::find_head(LaneState& lane) {
  if (lane.head || !status_.ok()) return false;
  int done = 0;
  MPI_Status arrival{};
  if (!check(MPI_Test(&lane.in.request(lane.consumed), &done, &arrival), "MPI_Irecv") || done == 0) return false;
  int bytes = 0;
  if (!check(MPI_Get_count(&arrival, MPI_BYTE, &bytes), "MPI_Get_count")) return false;
  if (bytes < static_cast<int>(kHeaderBytes)) {
    status_ =
        error(lhRemoteError, "siteRank {} sent a message of {} bytes: another version of this library?", peer_, bytes);
    return false;
  }
  const std::byte* buffer = lane.in.buffer(lane.consumed);
  lane.head =
      Received{read_header(buffer), ConstBytes(buffer + kHeaderBytes, static_cast<std::size_t>(bytes) - kHeaderBytes)};
  moved_ = true;
  return true;
}

std::optional<Received> MpiChannel::peek(Lane lane) {
  find_head(state(lane));
  return state(lane).head;
}

void MpiChannel::pop(Lane lane) {
  LaneState& from = state(lane);
  LH_CHECK(from.head.has_value());
  from.head.reset();
  post_receive(from, from.consumed);  // its buffer becomes the newest of the ring
  ++from.consumed;
  moved_ = true;
}

bool MpiChannel::progress(TimeNs now) {
  bool any = false;
  for (LaneState& lane : lanes_) {
    any = reap_sends(lane) || any;
    any = find_head(lane) || any;
  }
  now_ = now;
  if (moved_) last_move_ = now;
  moved_ = false;
  return any;
}

bool MpiChannel::arm() {
  bool quiet = true;
  for (LaneState& lane : lanes_) {
    if (find_head(lane)) quiet = false;
  }
  return quiet;
}

bool MpiChannel::flushed() const {
  return std::all_of(lanes_.begin(), lanes_.end(), [](const LaneState& lane) { return lane.taken == lane.sent; });
}

TimeNs MpiChannel::next_event() const {
  if (moved_) return now_ + kFastPoll;
  const TimeNs quiet = now_ - last_move_;
  const TimeNs pause = quiet > kSecond ? kIdlePoll : std::clamp(quiet / 8, kFastPoll, kSlowPoll);
  return now_ + pause;
}

std::size_t MpiChannel::memory_bytes() const {
  std::size_t bytes = 0;
  for (const LaneState& lane : lanes_) bytes += lane.out.bytes() + lane.in.bytes();
  return bytes;
}

Result<std::vector<std::unique_ptr<Channel>>> make_mpi_channels(MPI_Comm site, const MpiShape& shape) {
  if (shape.max_payload > static_cast<std::size_t>(INT_MAX) - 2 * kAlignment) {
    return error(lhInvalidArgument, "messages of {} bytes do not fit MPI: choose a smaller chunk", shape.max_payload);
  }
  Result<std::shared_ptr<MpiComm>> comm = MpiComm::duplicate(site);
  if (!comm.ok()) return comm.take_status();
  const int size = (*comm)->size();
  std::vector<std::unique_ptr<Channel>> channels(static_cast<std::size_t>(size));
  for (int peer = 0; peer < size; ++peer) {
    if (peer == (*comm)->rank()) continue;
    channels[static_cast<std::size_t>(peer)] = std::make_unique<MpiChannel>(*comm, peer, shape);
  }
  return channels;
}

}  // namespace longhaul::site

#endif  // LH_HAVE_MPI
