// SPDX-License-Identifier: Apache-2.0
#include "doctor/measure.h"

#include <fmt/format.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>

#include "doctor/peer.h"
#include "transport/ucx/sockets.h"

namespace longhaul::doctor {
namespace {

constexpr int kEchoes = 60;
constexpr std::size_t kPiece = 256 << 10;

tcp_info info_of(const Fd& socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_INFO, &info, &size);
  return info;
}

std::int64_t wall_clock() { return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count(); }

Status measure_distance(const MeasureOptions& options, Measured* out) {
  auto socket = ask(options.peer, Ask::Echo, 0, options.congestion);
  if (!socket.ok()) return socket.take_status();
  std::vector<TimeNs> rtts;
  out->least_rtt = kNever;
  for (int i = 0; i < kEchoes; ++i) {
    std::array<std::byte, 16> message{};
    const TimeNs began = steady_now();
    const std::int64_t wall = wall_clock();
    if (Status sent = write_all(*socket, ConstBytes(message).first(8)); !sent.ok()) return sent;
    if (Status got = read_all(*socket, message); !got.ok()) return got;
    const TimeNs rtt = steady_now() - began;
    rtts.push_back(rtt);
    if (rtt >= out->least_rtt) continue;
    out->least_rtt = rtt;
    const auto theirs = static_cast<std::int64_t>(ByteReader(ConstBytes(message).subspan(8)).u64());
    out->clock_offset = theirs - (wall + rtt / 2);
  }
  std::sort(rtts.begin(), rtts.end());
  out->median_rtt = rtts[rtts.size() / 2];
  out->p95_rtt = rtts[rtts.size() * 95 / 100];
  out->mtu = static_cast<int>(info_of(*socket).tcpi_pmtu);
  std::array<char, 16> name{};
  socklen_t size = name.size() - 1;
  ::getsockopt(socket->get(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &size);
  out->congestion = name.data();
  return {};
}

/// Bits a second of payload that all sockets together moved in the second half. Up: what the peer acknowledged.
Result<double> transfer(const std::vector<Fd>& sockets, bool up, TimeNs duration) {
  std::vector<std::byte> piece(kPiece);
  std::vector<pollfd> fds;
  for (const Fd& socket : sockets) fds.push_back({socket.get(), static_cast<short>(up ? POLLOUT : POLLIN), 0});
  const TimeNs began = steady_now();
  std::uint64_t received = 0, before = 0;
  const auto moved = [&] {
    if (!up) return received;
    std::uint64_t acknowledged = 0;
    for (const Fd& socket : sockets) acknowledged += info_of(socket).tcpi_bytes_acked;
    return acknowledged;
  };
  TimeNs middle = 0;
  for (TimeNs now = began; now - began < duration; now = steady_now()) {
    if (middle == 0 && now - began >= duration / 2) {
      before = moved();
      middle = now;
    }
    ::poll(fds.data(), fds.size(), 20);
    for (const pollfd& fd : fds) {
      if (fd.revents == 0) continue;
      const auto n = up ? ::send(fd.fd, piece.data(), piece.size(), MSG_NOSIGNAL | MSG_DONTWAIT) : ::recv(fd.fd, piece.data(), piece.size(), MSG_DONTWAIT);
      if (n > 0) received += static_cast<std::uint64_t>(n);
      const bool wait = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
      if (n <= 0 && !wait) return error(lhRemoteError, "the other end closed a connection while it was measured: does it serve somebody else?");
    }
  }
  return static_cast<double>(moved() - before) * 8e9 / static_cast<double>(steady_now() - middle);
}

Result<Capacity> measure_capacity(const MeasureOptions& options, int streams, TimeNs rtt) {
  Capacity capacity;
  capacity.streams = streams;
  // Cold connections need about ten round trips.
  const TimeNs duration = static_cast<TimeNs>(options.seconds * 1e9) + 10 * rtt;
  for (const bool up : {true, false}) {
    std::vector<Fd> sockets;
    const auto asked = static_cast<std::uint32_t>(duration / kMillisecond + 2000);
    for (int i = 0; i < streams; ++i) {
      auto socket = ask(options.peer, up ? Ask::Take : Ask::Give, asked, options.congestion);
      if (!socket.ok()) return socket.take_status();
      sockets.push_back(std::move(*socket));
    }
    auto rate = transfer(sockets, up, duration);
    if (!rate.ok()) return rate.take_status();
    (up ? capacity.up : capacity.down) = *rate;
    double sent = 0, again = 0;
    for (const Fd& socket : sockets) {
      const tcp_info info = info_of(socket);
      sent += info.tcpi_data_segs_out;
      again += info.tcpi_total_retrans;
    }
    if (up && sent > 0) capacity.resent = again / sent;
  }
  return capacity;
}

std::uint64_t third(const std::string& values) {
  const auto at = values.find_last_of(" \t");
  return at == std::string::npos ? 0 : std::strtoull(values.c_str() + at, nullptr, 10);
}

Settings parse_settings(const std::string& text) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, false);
  Settings settings;
  if (!json.is_object()) return settings;
  const auto value = [&](const char* name) { return json.contains(name) && json[name].is_string() ? json[name].get<std::string>() : std::string(); };
  settings.most_send_buffer = third(value("tcp_wmem"));
  settings.most_receive_buffer = third(value("tcp_rmem"));
  settings.slow_start_after_idle = value("tcp_slow_start_after_idle") == "1";
  settings.congestion = value("tcp_congestion_control");
  settings.bbr_allowed = settings.congestion == "bbr" || value("tcp_allowed_congestion_control").find("bbr") != std::string::npos;
  return settings;
}

Status ask_settings(const MeasureOptions& options, Settings* out) {
  auto socket = ask(options.peer, Ask::Settings, 0, "");
  if (!socket.ok()) return socket.take_status();
  std::string text;
  std::array<char, 512> piece;
  for (ssize_t got = 0; text.size() < 65536 && (got = ::recv(socket->get(), piece.data(), piece.size(), 0)) > 0;)
    text.append(piece.data(), static_cast<std::size_t>(got));
  *out = parse_settings(text);
  return {};
}

}  // namespace

Result<Measured> measure(const MeasureOptions& options, const std::function<void(const std::string&)>& tell) {
  Measured out;
  out.here = parse_settings(local_settings());
  out.here.bbr_allowed = transport::congestion_control_allowed("bbr");
  if (Status asked = ask_settings(options, &out.there); !asked.ok()) return asked;
  tell(fmt::format("distance to {} ...", options.peer.text()));
  if (Status near = measure_distance(options, &out); !near.ok()) return near;
  for (const int streams : options.streams) {
    tell(fmt::format("capacity with {} stream{}, {:.1f} s ...", streams, streams == 1 ? "" : "s",
                     2 * (options.seconds + 10e-9 * static_cast<double>(out.least_rtt))));
    auto capacity = measure_capacity(options, streams, out.least_rtt);
    if (!capacity.ok()) return capacity.take_status();
    out.capacity.push_back(*capacity);
  }
  return out;
}

}  // namespace longhaul::doctor
