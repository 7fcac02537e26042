// SPDX-License-Identifier: Apache-2.0
#include "doctor/echo.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "doctor/statistics.h"

namespace longhaul::doctor {
namespace {

constexpr std::size_t kAnswerBytes = 32;
constexpr int kFirst = 5;
constexpr TimeNs kInterval = 5 * kMillisecond;
constexpr TimeNs kLength = 2 * kSecond;
/// Never more under way than a connection may send before anything is acknowledged.
constexpr int kMostUnderWay = 8;
constexpr TimeNs kNoAnswer = 5 * kSecond;
constexpr int kIdle = 120;  // seconds: capacity is measured in between

TimeNs wall_now() { return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count(); }

/// The size of the packets that the connection sends.
int packet_size(const Fd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
  const int headers = (info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0 ? 52 : 40;
  return std::min(static_cast<int>(info.tcpi_pmtu), static_cast<int>(info.tcpi_snd_mss) + headers);
}

}  // namespace

void answer_echo(const Fd& socket) {
  set_patience(socket, kIdle);
  std::array<std::byte, 8> message;
  std::array<std::byte, kAnswerBytes> answer;
  while (read_all(socket, message).ok()) {
    ByteWriter writer(answer);
    writer.bytes(message);
    writer.u64(static_cast<std::uint64_t>(steady_now()));
    writer.u64(static_cast<std::uint64_t>(steady_now()));
    writer.u64(static_cast<std::uint64_t>(wall_now()));
    if (!write_all(socket, answer).ok()) return;
  }
}

Result<Echo> Echo::open(const Self& self, const config::HostPort& peer) {
  auto socket = ask(self, peer, {.what = Ask::Echo});
  if (!socket.ok()) return socket.take_status();
  return Echo(std::move(*socket));
}

Status Echo::send() {
  std::array<std::byte, 8> message;
  ByteWriter(message).u64(static_cast<std::uint64_t>(steady_now()));
  return write_all(socket_, message);
}

Status Echo::receive(std::vector<Answer>* answers) {
  std::array<std::byte, 4096> piece;
  const auto got = ::recv(socket_.get(), piece.data(), piece.size(), MSG_DONTWAIT);
  const TimeNs back = steady_now();
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return {};
  if (got <= 0) return error(lhRemoteError, "the other end closed the connection");
  input_.insert(input_.end(), piece.begin(), piece.begin() + got);
  std::size_t used = 0;
  for (; input_.size() - used >= kAnswerBytes; used += kAnswerBytes) {
    ByteReader reader(ConstBytes(input_).subspan(used));
    Answer one{};
    for (TimeNs* field : {&one.sent, &one.arrived, &one.left, &one.wall}) *field = static_cast<TimeNs>(reader.u64());
    one.back = back;
    answers->push_back(one);
  }
  input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(used));
  return {};
}

/// Sends at its times whether or not answers are back.
Status Echo::exchange(int count, TimeNs interval, std::vector<Answer>* answers) {
  TimeNs next = steady_now(), heard = next;
  const std::size_t wanted = answers->size() + static_cast<std::size_t>(count);
  for (int sent = 0; answers->size() < wanted;) {
    const TimeNs now = steady_now();
    if (sent < count && now >= next) {
      if (Status status = send(); !status.ok()) return status;
      ++sent;
      next += interval;
      continue;
    }
    const TimeNs wait = std::max<TimeNs>(0, std::min(sent < count ? next : kNever, heard + kNoAnswer) - now);
    if (now - heard >= kNoAnswer) return error(lhTimeout, "small messages get no answer for 5 s");
    const timespec timeout{static_cast<time_t>(wait / kSecond), static_cast<long>(wait % kSecond)};
    pollfd readable{socket_.get(), POLLIN, 0};
    if (::ppoll(&readable, 1, &timeout, nullptr) <= 0) continue;
    if (Status status = receive(answers); !status.ok()) return status;
    heard = steady_now();
  }
  return {};
}

Result<TimeNs> Echo::round_trip() {
  std::vector<Answer> answers;
  if (Status status = exchange(1, 0, &answers); !status.ok()) return status;
  return answers.back().back - answers.back().sent;
}

Status Echo::measure(Measured* out) {
  TimeNs near = kNever;
  for (int i = 0; i < kFirst; ++i) {
    auto rtt = round_trip();
    if (!rtt.ok()) return rtt.take_status();
    near = std::min(near, *rtt);
  }
  const TimeNs interval = std::max(kInterval, near / kMostUnderWay);
  std::vector<Answer> answers;
  if (Status status = exchange(static_cast<int>(std::max(kLength, 16 * near) / interval), interval, &answers); !status.ok()) return status;
  std::vector<OneWay> up, down;
  std::vector<TimeNs> rtts;
  const TimeNs wall = wall_now(), steady = steady_now();
  out->least_rtt = kNever;
  for (const Answer& one : answers) {
    up.push_back({one.sent, one.arrived});
    down.push_back({one.left, one.back});
    rtts.push_back((one.back - one.sent) - (one.left - one.arrived));
    if (rtts.back() >= out->least_rtt) continue;
    out->least_rtt = rtts.back();
    out->clock_offset = one.wall - (wall - (steady - one.back) - rtts.back() / 2);
  }
  std::sort(rtts.begin(), rtts.end());
  out->median_rtt = rtts[rtts.size() / 2];
  out->p95_rtt = rtts[rtts.size() * 95 / 100];
  out->up = spread_of(up);
  out->down = spread_of(down);
  out->mtu = packet_size(socket_);
  return {};
}

Status Echo::wait_until_quiet(TimeNs least_rtt) {
  const TimeNs end = steady_now() + 3 * kSecond;
  while (steady_now() < end) {
    auto rtt = round_trip();
    if (!rtt.ok()) return rtt.take_status();
    if (*rtt < least_rtt + std::max(least_rtt / 10, 2 * kMillisecond)) break;
  }
  return {};
}

}  // namespace longhaul::doctor
