// SPDX-License-Identifier: Apache-2.0
#include "doctor/conversation.h"

#include <fmt/format.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>

#include "bootstrap/socket.h"
#include "transport/ucx/sockets.h"

namespace longhaul::doctor {
namespace {

/// No purpose of a rank's connection begins with this byte.
constexpr std::string_view kMagic = "LHDOCTR2";
constexpr int kPatience = 5;  // seconds
constexpr std::size_t kMaxMessage = 4 << 20;
constexpr std::size_t kContextBytes = kMagic.size() + 32;

Status failed(const char* what) {
  const bool slow = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINPROGRESS;
  return error(lhSystemError, "{}: {}", what, slow ? "no answer" : bootstrap::errno_text(errno));
}

std::vector<std::byte> encode(const Request& request) {
  std::vector<std::byte> context(kContextBytes);
  ByteWriter writer(context);
  writer.bytes(as_bytes_of(kMagic));
  writer.u32(static_cast<std::uint32_t>(request.what));
  writer.u32(request.milliseconds);
  writer.u64(request.bits_per_s);
  writer.u64(request.site);
  writer.u64(request.instance);
  return context;
}

Result<Request> decode(ConstBytes context) {
  ByteReader reader(context);
  const ConstBytes magic = reader.bytes(kMagic.size()), expected = as_bytes_of(kMagic);
  Request request;
  request.what = static_cast<Ask>(reader.u32());
  request.milliseconds = reader.u32();
  request.bits_per_s = reader.u64();
  request.site = static_cast<std::uint32_t>(reader.u64());
  request.instance = reader.u64();
  if (!reader.complete() || !std::equal(magic.begin(), magic.end(), expected.begin(), expected.end()))
    return error(lhInvalidArgument, "'longhaul doctor' of this version listens here, no rank: end it before the job starts");
  return request;
}

Status write_frame(const Fd& socket, ConstBytes bytes) {
  std::vector<std::byte> frame(4 + bytes.size());
  ByteWriter writer(frame);
  writer.u32(static_cast<std::uint32_t>(bytes.size()));
  writer.bytes(bytes);
  return write_all(socket, frame);
}

Result<std::vector<std::byte>> read_frame(const Fd& socket, std::size_t most) {
  std::array<std::byte, 4> length;
  if (Status status = read_all(socket, length); !status.ok()) return status;
  const std::uint32_t size = ByteReader(length).u32();
  if (size > most) return error(lhInvalidUsage, "not a message of longhaul doctor");
  std::vector<std::byte> frame(size);
  if (Status status = read_all(socket, frame); !status.ok()) return status;
  return frame;
}

/// Until it is done; the acceptor's last message is left for it to send.
Status shake_hands(const Fd& socket, security::Handshake* handshake, bool dialed) {
  using State = security::Handshake::State;
  const TimeNs began = steady_now();
  while (true) {
    if (!dialed && handshake->state() == State::Done) return {};
    const std::vector<std::byte> output = handshake->take_output();
    Status sent = output.empty() ? Status() : write_frame(socket, output);
    if (handshake->state() == State::Failed) return handshake->status();
    if (!sent.ok() || handshake->state() == State::Done) return sent;
    auto frame = read_frame(socket, security::kMaxHandshakeBytes);
    if (!frame.ok()) return frame.take_status();
    if (steady_now() - began > 2 * kPatience * kSecond) return error(lhTimeout, "the handshake takes too long");
    handshake->on_message(*frame);
  }
}

}  // namespace

std::string congestion_used(const std::string& wanted) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string name = wanted == "auto" ? "bbr" : wanted;
  if (name != "system") ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, name.c_str(), static_cast<socklen_t>(name.size()));
  std::array<char, 16> used{};
  socklen_t size = used.size() - 1;
  ::getsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, used.data(), &size);
  return used.data();
}

void set_patience(const Fd& socket, int seconds) {
  const timeval patience{seconds, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const int on = 1, idle = 10, interval = 5, count = 4, unanswered = 30'000;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
}

Status read_all(const Fd& socket, Bytes bytes) {
  while (!bytes.empty()) {
    const auto got = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    if (got == 0) return error(lhRemoteError, "the other end closed the connection");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed("reading");
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
  return {};
}

Status write_all(const Fd& socket, ConstBytes bytes) {
  while (!bytes.empty()) {
    const auto put = ::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failed("writing");
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<Fd> ask(const Self& self, const config::HostPort& peer, Request request) {
  auto address = bootstrap::resolve(peer);
  if (!address.ok()) return address.take_status();
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return failed("socket");
  set_patience(socket, kPatience);
  const std::string congestion = congestion_used(self.congestion);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, congestion.c_str(), static_cast<socklen_t>(congestion.size()));
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) return failed("connecting");
  request.site = self.site;
  request.instance = self.instance;
  auto handshake = security::Handshake::dial(self.credentials, encode(request));
  if (Status status = shake_hands(socket, &handshake, true); !status.ok()) return status;
  return socket;
}

Result<std::vector<Fd>> ask(const Self& self, const config::HostPort& peer, const Request& request, int count) {
  std::vector<std::future<Result<Fd>>> asked;
  for (int i = 0; i < count; ++i) asked.push_back(std::async(std::launch::async, [&] { return ask(self, peer, request); }));
  std::vector<Fd> sockets;
  Status problem;
  for (auto& one : asked) {
    Result<Fd> socket = one.get();
    if (socket.ok())
      sockets.push_back(std::move(*socket));
    else
      problem = socket.take_status();
  }
  if (!problem.ok()) return problem;
  return sockets;
}

Result<Request> hear(const Self& self, const Fd& socket) {
  set_patience(socket, kPatience);
  auto handshake = security::Handshake::accept(self.credentials);
  if (Status status = shake_hands(socket, &handshake, false); !status.ok()) return status;
  auto request = decode(handshake.context());
  if (!request.ok()) handshake.refuse(request.status());
  if (Status sent = write_frame(socket, handshake.take_output()); !sent.ok() && request.ok()) return sent;
  const std::string congestion = congestion_used(self.congestion);
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_CONGESTION, congestion.c_str(), static_cast<socklen_t>(congestion.size()));
  return request;
}

Status send_message(const Fd& socket, const nlohmann::json& message) {
  const std::string text = message.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return write_frame(socket, as_bytes_of(text));
}

Result<nlohmann::json> receive_message(const Fd& socket) {
  auto frame = read_frame(socket, kMaxMessage);
  if (!frame.ok()) return frame.take_status();
  const auto* text = reinterpret_cast<const char*>(frame->data());
  nlohmann::json message = nlohmann::json::parse(text, text + frame->size(), nullptr, false);
  if (!message.is_object()) return error(lhRemoteError, "not a message of longhaul doctor");
  return message;
}

}  // namespace longhaul::doctor
