// SPDX-License-Identifier: Apache-2.0
#include "emulate/control.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace longhaul::emulate {
namespace {

constexpr std::size_t kMaxMessage = 128 << 10;
constexpr std::size_t kMaxClients = 16;

Fd make_socket(int flags) { return Fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0)); }

bool make_address(const std::string& path, sockaddr_un* address) {
  address->sun_family = AF_UNIX;
  if (path.size() >= sizeof address->sun_path) return false;
  std::copy(path.begin(), path.end(), address->sun_path);
  return true;
}

bool dial(const Fd& socket, const std::string& path) {
  sockaddr_un address{};
  return make_address(path, &address) && ::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
}

bool same_user(const Fd& client) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(client.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == ::getuid() || peer.uid == 0);
}

}  // namespace

Result<std::string> socket_path(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_'; });
  if (name.empty() || name.size() > 32 || !plain)
    return error(lhInvalidArgument, "'{}' is no name for an emulator: up to 32 letters, digits, - and _", name);
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");
  std::string folder = "/run/longhaul";
  if (::getuid() != 0) folder = runtime ? std::string(runtime) + "/longhaul" : fmt::format("/tmp/longhaul-{}", ::getuid());
  struct stat about {};
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    return error(lhSystemError, "making {}: {}", folder, std::strerror(errno));
  if (::stat(folder.c_str(), &about) != 0 || about.st_uid != ::getuid())
    return error(lhSystemError, "{} belongs to somebody else: set XDG_RUNTIME_DIR to a folder of yours", folder);
  return fmt::format("{}/emulate-{}.sock", folder, name);
}

Result<ControlServer> ControlServer::listen(const std::string& path) {
  if (dial(make_socket(0), path)) return error(lhInvalidUsage, "it is running already: end it with 'longhaul emulate down'");
  ::unlink(path.c_str());
  Fd socket = make_socket(SOCK_NONBLOCK);
  sockaddr_un address{};
  if (!make_address(path, &address)) return error(lhSystemError, "{} is too long for a socket", path);
  const mode_t before = ::umask(0177);
  const int bound = ::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound != 0 || ::listen(socket.get(), 8) != 0) return error(lhSystemError, "listening at {}: {}", path, std::strerror(errno));
  return ControlServer(std::move(socket), path);
}

ControlServer::~ControlServer() {
  if (socket_.valid()) ::unlink(path_.c_str());
}

void ControlServer::append_wait_fds(std::vector<pollfd>& fds) const {
  fds.push_back({socket_.get(), POLLIN, 0});
  for (const Fd& client : clients_) fds.push_back({client.get(), POLLIN, 0});
}

void ControlServer::turn(const Handler& handler) {
  Fd client(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (client.valid() && clients_.size() < kMaxClients && same_user(client)) clients_.push_back(std::move(client));
  std::erase_if(clients_, [&](const Fd& one) { return answer(one, handler); });
}

/// True: done with this client.
bool ControlServer::answer(const Fd& client, const Handler& handler) const {
  std::vector<char> text(4096);
  const ssize_t got = ::recv(client.get(), text.data(), text.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (got <= 0) return true;
  const auto request = nlohmann::json::parse(text.begin(), text.begin() + got, nullptr, false);
  const nlohmann::json reply = request.is_object() ? handler(request) : nlohmann::json{{"error", "not a JSON object"}};
  const std::string out = reply.dump();
  (void)::send(client.get(), out.data(), out.size(), MSG_NOSIGNAL);  // a client that left wants no answer
  return true;
}

Result<nlohmann::json> ask(const std::string& name, const nlohmann::json& request) {
  Result<std::string> path = socket_path(name);
  if (!path.ok()) return path.take_status();
  const Fd socket = make_socket(0);
  if (!dial(socket, *path))
    return error(lhInvalidUsage, "no emulator '{}' is running: start one with 'longhaul emulate up', under the same user", name);
  const timeval patience{5, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string text = request.dump();
  std::vector<char> answer(kMaxMessage);
  if (::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL) < 0) return error(lhSystemError, "asking the emulator: {}", std::strerror(errno));
  const ssize_t got = ::recv(socket.get(), answer.data(), answer.size(), 0);
  if (got <= 0) return error(lhSystemError, "the emulator gave no answer within 5 s");
  auto reply = nlohmann::json::parse(answer.begin(), answer.begin() + got, nullptr, false);
  if (!reply.is_object()) return error(lhSystemError, "the emulator's answer is damaged: are both of the same version?");
  if (reply.contains("error")) return error(lhInvalidArgument, "{}", reply["error"].get<std::string>());
  return reply;
}

}  // namespace longhaul::emulate
