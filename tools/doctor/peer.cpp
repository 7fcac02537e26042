// SPDX-License-Identifier: Apache-2.0
#include "doctor/peer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "bootstrap/socket.h"

namespace longhaul::doctor {
namespace {

constexpr std::string_view kMagic = "LHDOCTR1";
constexpr std::size_t kRequestBytes = 16;
constexpr int kMostConnections = 64;
constexpr std::uint32_t kLongest = 60'000;  // milliseconds
constexpr std::size_t kPiece = 256 << 10;
constexpr int kPatience = 5;  // seconds

Status failed(const char* what) {
  const bool slow = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
  return error(lhSystemError, "{}: {}", what, slow ? fmt::format("nothing for {} s", kPatience) : bootstrap::errno_text(errno));
}

void make_patient(const Fd& socket) {
  const timeval patience{kPatience, 0};
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void echo(const Fd& socket) {
  std::array<std::byte, 16> message{};
  while (read_all(socket, Bytes(message).first(8)).ok()) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    ByteWriter(Bytes(message).subspan(8)).u64(static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count()));
    if (!write_all(socket, message).ok()) return;
  }
}

void answer(const Fd& socket) {
  std::array<std::byte, kRequestBytes> request;
  if (!read_all(socket, request).ok() || std::memcmp(request.data(), kMagic.data(), kMagic.size()) != 0) return;
  ByteReader reader(ConstBytes(request).subspan(kMagic.size()));
  const auto what = reader.u32();
  const TimeNs end = steady_now() + static_cast<TimeNs>(std::min(kLongest, reader.u32())) * kMillisecond;
  std::vector<std::byte> piece(kPiece);
  switch (static_cast<Ask>(what)) {
    case Ask::Echo:
      return echo(socket);
    case Ask::Take:
      while (::recv(socket.get(), piece.data(), piece.size(), 0) > 0) {}
      return;
    case Ask::Give:
      while (steady_now() < end && ::send(socket.get(), piece.data(), piece.size(), MSG_NOSIGNAL) > 0) {}
      return;
    case Ask::Settings: {
      const std::string text = local_settings();
      (void)write_all(socket, std::as_bytes(std::span(text)));
      return;
    }
  }
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

Status read_all(const Fd& socket, Bytes bytes) {
  while (!bytes.empty()) {
    const auto got = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (got == 0) return error(lhRemoteError, "the other end closed the connection");
    if (got < 0) return failed("reading");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status write_all(const Fd& socket, ConstBytes bytes) {
  while (!bytes.empty()) {
    const auto put = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0) return failed("writing");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<Fd> ask(const config::HostPort& peer, Ask what, std::uint32_t milliseconds, const std::string& congestion) {
  auto address = bootstrap::resolve(peer);
  if (!address.ok()) return address.take_status();
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failed("socket");
  make_patient(socket);
  // Where it is not allowed the system's stays, and the report says which that is.
  if (!congestion.empty())
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, congestion.c_str(), static_cast<socklen_t>(congestion.size()));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0)
    return failed("connecting").with(peer.text());
  std::array<std::byte, kRequestBytes> request;
  std::memcpy(request.data(), kMagic.data(), kMagic.size());
  ByteWriter writer(Bytes(request).subspan(kMagic.size()));
  writer.u32(static_cast<std::uint32_t>(what));
  writer.u32(milliseconds);
  if (Status sent = write_all(socket, request); !sent.ok()) return sent;
  return socket;
}

Status serve(const config::HostPort& at) {
  auto address = bootstrap::listen_address(at, "");
  if (!address.ok()) return address.take_status();
  auto listener = bootstrap::listen_at(*address);
  if (!listener.ok()) return listener.take_status();
  fmt::print("listening at {}; at the other site: longhaul doctor --to THIS_HOST:{} (Ctrl-C ends)\n", bootstrap::text_of(*address), at.port);
  std::fflush(stdout);
  static std::atomic<int> connections{0};  // threads may outlive this call
  bootstrap::Poller poller;
  for (std::string last;;) {
    poller.clear();
    poller.want(listener->get(), true, false);
    poller.wait(kSecond);
    int problem = 0;
    auto accepted = bootstrap::accept_one(*listener, &problem);
    if (problem != 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));  // out of descriptors: some will be freed
    if (!accepted) continue;
    const std::string host = accepted->from.substr(0, accepted->from.rfind(':'));
    if (host != last) {
      fmt::print("{} measures\n", host);
      std::fflush(stdout);
    }
    last = host;
    if (connections >= kMostConnections) continue;
    ++connections;
    std::thread([socket = std::move(accepted->socket)]() mutable {
      const int flags = ::fcntl(socket.get(), F_GETFL);
      ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK);
      make_patient(socket);
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, "bbr", 3);  // as the library does; the client asks for its own
      answer(socket);
      --connections;
    }).detach();
  }
}

std::string local_settings() {
  nlohmann::json settings;
  for (const char* name : {"tcp_wmem", "tcp_rmem", "tcp_slow_start_after_idle", "tcp_congestion_control", "tcp_allowed_congestion_control",
                           "tcp_available_congestion_control"})
    settings[name] = first_line(std::string("/proc/sys/net/ipv4/") + name);
  return settings.dump();
}

}  // namespace longhaul::doctor
