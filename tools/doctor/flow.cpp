// SPDX-License-Identifier: Apache-2.0
#include "doctor/flow.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <numeric>

namespace longhaul::doctor {
namespace {

constexpr std::size_t kPiece = 256 << 10;
/// Little waits unsent, as in the library: what is left when the time is over would disturb the next measurement.
constexpr int kUnsent = 256 << 10, kUnsentPaced = 16 << 10;
constexpr std::size_t kRecordBytes = 24;
constexpr std::uint32_t kLongest = 60'000;  // milliseconds
constexpr TimeNs kMostForRecord = 5 * kSecond;

struct Record {
  std::uint32_t segments = 0, again = 0, needless = 0, rtt_us = 0;
  std::uint64_t bits_per_s = 0;
};

tcp_info info_of(const Fd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
  return info;
}

Record record_of(const Fd& socket) {
  const tcp_info info = info_of(socket);
  return {info.tcpi_data_segs_out, info.tcpi_total_retrans, std::min(info.tcpi_dsack_dups, info.tcpi_total_retrans), info.tcpi_rtt, 0};
}

/// Bytes of payload that arrived, those behind a gap too.
double delivered(const Fd& socket) {
  const tcp_info info = info_of(socket);
  const double segment = info.tcpi_data_segs_out == 0 ? 0 : static_cast<double>(info.tcpi_bytes_sent) / info.tcpi_data_segs_out;
  return segment * info.tcpi_delivered;
}

void pace(const Fd& socket, std::uint64_t bits_per_s) {
  const std::uint64_t bytes_per_s = bits_per_s == 0 ? ~std::uint64_t{0} : std::max<std::uint64_t>(1, bits_per_s / 8);
  const int unsent = bits_per_s == 0 ? kUnsent : kUnsentPaced;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_MAX_PACING_RATE, &bytes_per_s, sizeof bytes_per_s);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

/// One of the measuring end's connections that the peer gives to.
struct Giver {
  const Fd* socket;
  std::array<std::byte, kRecordBytes> last{};  // of what came
  bool ended = false;

  /// False: the connection broke.
  bool read(std::vector<std::byte>* piece) {
    const auto got = ::recv(socket->get(), piece->data(), piece->size(), MSG_DONTWAIT);
    if (got == 0) ended = true;
    if (got <= 0) return got == 0 || would_block();
    const auto kept = std::min<std::ptrdiff_t>(got, kRecordBytes);
    std::rotate(last.begin(), last.begin() + kept, last.end());
    std::copy_n(piece->begin() + (got - kept), kept, last.end() - kept);
    return true;
  }
  Record record() const {
    ByteReader reader(last);
    return {reader.u32(), reader.u32(), reader.u32(), reader.u32(), reader.u64()};
  }
};

class Mover {
 public:
  Mover(const Flows& flows, TimeNs duration) : flows_(flows), piece_(kPiece), began_(steady_now()), duration_(duration) {
    for (const Fd& socket : flows.down) givers_.push_back({&socket});
  }

  Status run() {
    if (Status status = send_up(); !status.ok()) return status;
    const TimeNs end = began_ + duration_ + kMostForRecord;
    while (steady_now() < end && std::any_of(givers_.begin(), givers_.end(), [](const Giver& g) { return !g.ended; }))
      if (Status status = step(false); !status.ok()) return status;
    std::vector<Record> down;
    for (const Giver& giver : givers_) {
      if (!giver.ended) return error(lhRemoteError, "the other end does not finish what it gives");
      down.push_back(giver.record());
    }
    for (const Record& one : down) moved_.down += static_cast<double>(one.bits_per_s);
    sum(down, &moved_.lost_down, &moved_.resent_down, &moved_.rtt_down);
    return {};
  }

  const Moved& moved() const { return moved_; }

 private:
  Status send_up() {
    if (flows_.up.empty()) return {};
    double before = 0;
    TimeNs middle = 0;
    for (TimeNs now = began_; now - began_ < duration_; now = steady_now()) {
      if (middle == 0 && now - began_ >= duration_ / 2) {
        middle = now;
        before = all_delivered();
      }
      if (Status status = step(true); !status.ok()) return status;
    }
    moved_.up = (all_delivered() - before) * 8e9 / static_cast<double>(steady_now() - middle);
    std::vector<Record> up;
    for (const Fd& socket : flows_.up) {
      up.push_back(record_of(socket));
      const linger drop{1, 0};  // unsent bytes must not be in the way of what comes next
      ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &drop, sizeof drop);
    }
    sum(up, &moved_.lost_up, &moved_.resent_up, &moved_.rtt_up);
    return {};
  }

  Status step(bool sending) {
    std::vector<pollfd> fds;
    if (sending)
      for (const Fd& socket : flows_.up) fds.push_back({socket.get(), POLLOUT, 0});
    const std::size_t first_giver = fds.size();
    for (const Giver& giver : givers_) fds.push_back({giver.ended ? -1 : giver.socket->get(), POLLIN, 0});
    ::poll(fds.data(), fds.size(), 20);
    bool sound = true;
    for (std::size_t i = 0; i < fds.size(); ++i) {
      if (fds[i].revents == 0) continue;
      if (i >= first_giver)
        sound &= givers_[i - first_giver].read(&piece_);
      else if (::send(fds[i].fd, piece_.data(), piece_.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        sound &= would_block();
    }
    return sound ? Status() : error(lhRemoteError, "the other end closed a connection while it was measured");
  }

  double all_delivered() const {
    double bytes = 0;
    for (const Fd& socket : flows_.up) bytes += delivered(socket);
    return bytes;
  }

  static void sum(const std::vector<Record>& records, Losses* losses, double* resent, TimeNs* rtt) {
    std::uint64_t again = 0;
    std::vector<TimeNs> rtts;
    for (const Record& one : records) {
      losses->segments += one.segments;
      losses->lost += one.again - std::min(one.again, one.needless);
      again += one.again;
      rtts.push_back(one.rtt_us * kMicrosecond);
    }
    if (losses->segments > 0) *resent = static_cast<double>(again) / static_cast<double>(losses->segments);
    std::sort(rtts.begin(), rtts.end());
    if (!rtts.empty()) *rtt = rtts[rtts.size() / 2];
  }

  const Flows& flows_;
  std::vector<Giver> givers_;
  std::vector<std::byte> piece_;
  TimeNs began_, duration_;
  Moved moved_;
};

}  // namespace

void take(const Fd& socket) {
  std::vector<std::byte> piece(kPiece);
  while (::recv(socket.get(), piece.data(), piece.size(), 0) > 0) {
  }
}

void give(const Fd& socket, const Request& request) {
  const std::vector<std::byte> zeros(request.bits_per_s > 0 ? kUnsentPaced : kPiece);
  pace(socket, request.bits_per_s);
  const TimeNs began = steady_now(), duration = static_cast<TimeNs>(std::min(kLongest, request.milliseconds)) * kMillisecond;
  double before = 0;
  TimeNs middle = 0;
  for (TimeNs now = began; now - began < duration; now = steady_now()) {
    if (middle == 0 && now - began >= duration / 2) {
      middle = now;
      before = delivered(socket);
    }
    pollfd fd{socket.get(), POLLOUT, 0};
    ::poll(&fd, 1, 20);
    if ((fd.revents & (POLLERR | POLLHUP)) != 0) return;
    if ((fd.revents & POLLOUT) != 0 && ::send(socket.get(), zeros.data(), zeros.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && !would_block()) return;
  }
  Record record = record_of(socket);
  record.bits_per_s =
      static_cast<std::uint64_t>((delivered(socket) - before) * 8e9 / static_cast<double>(std::max<TimeNs>(1, steady_now() - middle)));
  pace(socket, 0);
  std::array<std::byte, kRecordBytes> bytes;
  ByteWriter writer(bytes);
  for (const std::uint32_t field : {record.segments, record.again, record.needless, record.rtt_us}) writer.u32(field);
  writer.u64(record.bits_per_s);
  (void)write_all(socket, bytes);
}

Result<Moved> move(Flows flows, TimeNs duration, double bits_per_s) {
  for (const Fd& socket : flows.up) pace(socket, static_cast<std::uint64_t>(bits_per_s / static_cast<double>(flows.up.size())));
  Mover mover(flows, duration);
  if (Status status = mover.run(); !status.ok()) return status;
  return mover.moved();
}

}  // namespace longhaul::doctor
