// SPDX-License-Identifier: Apache-2.0
// One poll loop drives all dials and all callers at once, so ranks may come in any order without waiting for each
// other.
#include "site/host/local_connect.h"

#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "base/log.h"
#include "site/host/shm_channel.h"

namespace longhaul::site {

namespace {

constexpr TimeNs kPollInterval = 10 * kMillisecond;  // how late `cancelled` and a full backlog are noticed
constexpr std::size_t kMaxCallers = 64;              // not yet identified; beyond, the oldest is turned away

struct Address {
  sockaddr_un value{};
  socklen_t length = 0;
};

/// Empty where a card's name cannot be one.
std::optional<Address> abstract_address(const std::string& name) {
  Address address;
  if (name.empty() || name.size() >= sizeof(address.value.sun_path)) return std::nullopt;
  address.value.sun_family = AF_UNIX;
  std::memcpy(address.value.sun_path + 1, name.data(), name.size());
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return address;
}

Fd unix_socket() { return Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)); }

/// The process at the other end, if it belongs to the same user.
std::optional<ucred> same_user(int socket) {
  ucred who{};
  socklen_t length = sizeof(who);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &length) != 0 || who.uid != ::geteuid()) return std::nullopt;
  return who;
}

/// A pidfd, or nothing where the kernel or a sandbox does not give one: then the socket alone tells of a death.
Fd watch_process(pid_t pid) {
#ifdef SYS_pidfd_open
  if (pid > 0 && pid != ::getpid()) return Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
#endif
  return Fd();
}

/// A rank this one dialled.
struct Dial {
  enum class State { Connecting, Answer, Over };
  std::size_t peer = 0;
  Address address;
  State state = State::Connecting;
  Fd socket;
  std::shared_ptr<SharedMemory> memory;
  pid_t pid = 0;
};

/// Somebody who dialled this rank.
struct Caller {
  Fd socket;
  pid_t pid = 0;
  HelloReceiver hello;
};

class Connector {
 public:
  Connector(LocalListener& listener, const LocalPeers& peers)
      : listener_(listener), peers_(peers), shape_{.max_payload = peers.max_payload}, channels_(peers.sockets.size()) {
    const auto own = static_cast<std::size_t>(peers.rank);
    for (std::size_t peer = own + 1; peer < peers.sockets.size(); ++peer) {
      const std::optional<Address> address = abstract_address(peers.sockets[peer]);
      if (address) dials_.push_back({.peer = peer, .address = *address, .socket = {}, .memory = {}});
    }
    for (std::size_t peer = 0; peer < own; ++peer) expected_ += peers.sockets[peer].empty() ? 0 : 1;
  }

  Result<std::vector<std::unique_ptr<Channel>>> run(const std::atomic<bool>& cancelled) {
    for (;;) {
      if (cancelled.load()) return error(lhAborted, "joining the ranks of this machine was cancelled");
      step();
      const TimeNs now = steady_now();
      if (now >= std::min(peers_.accept_deadline, peers_.deadline)) expected_ = 0;
      if (now >= peers_.deadline) dials_.clear();
      if (expected_ == 0 && dials_.empty()) return std::move(channels_);
      if (Status status = wait(); !status.ok()) return status;
    }
  }

 private:
  void step() {
    for (Dial& dial : dials_) {
      if (dial.state == Dial::State::Connecting) dial_up(dial);
      if (dial.state == Dial::State::Answer) hear_answer(dial);
    }
    std::erase_if(dials_, [](const Dial& dial) { return dial.state == Dial::State::Over; });
    take_callers();
    std::erase_if(callers_, [this](Caller& caller) { return identify(caller); });
  }

  void dial_up(Dial& dial);
  Status offer_memory(Dial& dial);
  void hear_answer(Dial& dial);
  void take_callers();
  bool identify(Caller& caller);
  bool welcome(const LocalHello& hello) const;
  Status wait();

  LocalListener& listener_;
  const LocalPeers& peers_;
  ShmShape shape_;
  std::vector<std::unique_ptr<Channel>> channels_;
  std::vector<Dial> dials_;
  std::vector<Caller> callers_;
  int expected_ = 0;  // ranks that are to dial this one and have not
};

void Connector::dial_up(Dial& dial) {
  if (!dial.socket.valid()) dial.socket = unix_socket();
  const auto* address = reinterpret_cast<const sockaddr*>(&dial.address.value);
  if (::connect(dial.socket.get(), address, dial.address.length) != 0) {
    if (errno == EAGAIN || errno == EINTR) return;  // its backlog is full: again in a moment
    log_debug(fmt::format("siteRank {} has no reachable socket here ({})", dial.peer, std::strerror(errno)));
    dial.state = Dial::State::Over;
    return;
  }
  dial.state = Dial::State::Answer;
  if (const Status status = offer_memory(dial); !status.ok()) {
    log_info(fmt::format("no shared memory with siteRank {}: {}", dial.peer, status.text()));
    dial.state = Dial::State::Over;
  }
}

Status Connector::offer_memory(Dial& dial) {
  const std::optional<ucred> who = same_user(dial.socket.get());
  if (!who) return {lhRemoteError, "its socket belongs to another user"};
  dial.pid = who->pid;
  const std::size_t bytes = shm_layout(shape_).bytes;
  Result<Fd> file = create_shared_file(bytes);
  if (!file.ok()) return file.take_status();
  Result<std::shared_ptr<SharedMemory>> memory = map_shared_file(file->get(), bytes);
  if (!memory.ok()) return memory.take_status();
  dial.memory = std::move(*memory);
  const LocalHello hello{peers_.token, static_cast<std::uint32_t>(peers_.rank), shape_.max_payload, bytes};
  if (!send_hello(dial.socket.get(), hello, file->get())) return {lhRemoteError, "it hung up"};
  return {};
}

void Connector::hear_answer(Dial& dial) {
  char answer = 0;
  // One byte only: the next ones are already rings of the doorbell.
  const ssize_t got = ::recv(dial.socket.get(), &answer, 1, MSG_DONTWAIT);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  dial.state = Dial::State::Over;
  if (got != 1 || answer != kHelloAccepted) {
    log_info(fmt::format("siteRank {} refused to share memory", dial.peer));
    return;
  }
  channels_[dial.peer] =
      std::make_unique<ShmChannel>(std::move(dial.memory), shape_, 0, std::move(dial.socket), watch_process(dial.pid));
}

void Connector::take_callers() {
  for (;;) {
    Fd socket(::accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.valid()) return;
    const std::optional<ucred> who = same_user(socket.get());
    if (!who) {
      listener_.count_dropped();
      continue;
    }
    if (callers_.size() == kMaxCallers) {
      listener_.count_dropped();
      callers_.erase(callers_.begin());
    }
    callers_.push_back({std::move(socket), who->pid, {}});
  }
}

/// True when nothing more is to be heard from this caller: it became a channel, or was turned away.
bool Connector::identify(Caller& caller) {
  const HelloReceiver::State state = caller.hello.receive(caller.socket.get());
  if (state == HelloReceiver::State::Incomplete) return false;
  const LocalHello& hello = caller.hello.hello();
  if (state == HelloReceiver::State::Bad || !welcome(hello)) {
    listener_.count_dropped();
    return true;
  }
  Result<std::shared_ptr<SharedMemory>> memory =
      map_shared_file(caller.hello.memory_file().get(), shm_layout(shape_).bytes);
  const char answer = kHelloAccepted;
  if (!memory.ok() || ::send(caller.socket.get(), &answer, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1) {
    log_info(fmt::format("no shared memory with siteRank {}: {}", hello.rank,
                         memory.ok() ? "it hung up" : memory.status().text()));
    listener_.count_dropped();
    return true;
  }
  channels_[hello.rank] =
      std::make_unique<ShmChannel>(std::move(*memory), shape_, 1, std::move(caller.socket), watch_process(caller.pid));
  --expected_;
  return true;
}

bool Connector::welcome(const LocalHello& hello) const {
  if (hello.token != peers_.token || hello.rank >= static_cast<std::uint32_t>(peers_.rank)) return false;
  if (peers_.sockets[hello.rank].empty() || channels_[hello.rank] != nullptr) return false;
  return hello.max_payload == shape_.max_payload && hello.memory_bytes == shm_layout(shape_).bytes;
}

Status Connector::wait() {
  std::vector<pollfd> fds{{listener_.fd(), POLLIN, 0}};
  for (const Caller& caller : callers_) fds.push_back({caller.socket.get(), POLLIN, 0});
  for (const Dial& dial : dials_) {
    if (dial.state == Dial::State::Answer) fds.push_back({dial.socket.get(), POLLIN, 0});
  }
  if (::poll(fds.data(), fds.size(), static_cast<int>(kPollInterval / kMillisecond)) < 0 && errno != EINTR) {
    return error(lhSystemError, "poll failed while joining the ranks of this machine: {}", std::strerror(errno));
  }
  return {};
}

}  // namespace

Result<LocalListener> LocalListener::open() {
  std::array<unsigned char, 16> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    return error(lhSystemError, "cannot get random bytes: {}", std::strerror(errno));
  }
  std::string name = "longhaul-";
  for (const unsigned char byte : random) name += fmt::format("{:02x}", byte);
  const std::optional<Address> address = abstract_address(name);
  Fd socket = unix_socket();
  const auto* where = reinterpret_cast<const sockaddr*>(&address->value);
  if (!socket.valid() || ::bind(socket.get(), where, address->length) != 0 || ::listen(socket.get(), 1024) != 0) {
    return error(lhSystemError, "cannot listen for the ranks of this machine: {}", std::strerror(errno));
  }
  return LocalListener(std::move(socket), std::move(name));
}

Result<std::vector<std::unique_ptr<Channel>>> connect_peers(LocalListener& listener, const LocalPeers& peers,
                                                            const std::atomic<bool>& cancelled) {
  LH_CHECK(peers.rank >= 0 && static_cast<std::size_t>(peers.rank) < peers.sockets.size());
  Connector connector(listener, peers);
  Result<std::vector<std::unique_ptr<Channel>>> channels = connector.run(cancelled);
  listener.close();
  return channels;
}

}  // namespace longhaul::site
