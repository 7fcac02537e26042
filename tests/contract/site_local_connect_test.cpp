// SPDX-License-Identifier: Apache-2.0
// Joining the ranks of one machine: between forked processes, and against callers that are not what they say.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <thread>

#include "site/host/local_connect.h"
#include "support/site_channel_suite.h"

namespace longhaul::site::testing {
namespace {

constexpr std::size_t kPayload = 4096;
constexpr TimeNs kPatience = 60 * kSecond;  // of a hang, not of a healthy run

JobToken token_of(int value) {
  JobToken token{};
  token.fill(static_cast<std::byte>(value));
  return token;
}

LocalPeers peers_for(int rank, std::vector<std::string> sockets) {
  LocalPeers peers;
  peers.rank = rank;
  peers.sockets = std::move(sockets);
  peers.token = token_of(7);
  peers.max_payload = kPayload;
  peers.deadline = steady_now() + kPatience;
  peers.accept_deadline = peers.deadline;
  return peers;
}

/// Waits for the lane's next message; false when the peer ended or nothing came.
bool await_message(Channel& channel, Lane lane) {
  const TimeNs give_up = steady_now() + kPatience;
  while (steady_now() < give_up) {
    channel.progress(steady_now());
    if (channel.peek(lane)) return true;
    if (!channel.health().ok()) return false;
    std::vector<pollfd> fds;
    channel.append_wait_fds(fds);
    if (channel.arm()) ::poll(fds.data(), fds.size(), 1000);
  }
  return false;
}

/// In a forked child, without Catch2: joins, says its rank to everybody, hears everybody's. 0 where all went well.
int run_child(LocalListener& listener, int rank, const std::vector<std::string>& sockets) {
  const std::atomic<bool> cancelled{false};
  auto channels = connect_peers(listener, peers_for(rank, sockets), cancelled);
  if (!channels.ok()) return 1;
  for (std::size_t peer = 0; peer < sockets.size(); ++peer) {
    if (static_cast<int>(peer) == rank) continue;
    Channel* channel = (*channels)[peer].get();
    if (channel == nullptr) return 2;
    const auto number = static_cast<std::uint64_t>(rank);
    if (!channel->send(Lane::Collect, numbered(number), numbered_payload(number, kPayload))) return 3;
  }
  for (std::size_t peer = 0; peer < sockets.size(); ++peer) {
    if (static_cast<int>(peer) == rank) continue;
    Channel& channel = *(*channels)[peer];
    if (!await_message(channel, Lane::Collect)) return 4;
    if (!is_numbered(*channel.peek(Lane::Collect), peer, kPayload)) return 5;
  }
  return 0;
}

TEST_CASE("forked processes join, talk, and notice each other's end", "[contract][site]") {
  constexpr int kRanks = 4;  // rank 3 is this process
  std::vector<LocalListener> listeners;
  std::vector<std::string> sockets;
  for (int rank = 0; rank < kRanks; ++rank) {
    auto listener = LocalListener::open();
    REQUIRE(listener.ok());
    sockets.push_back(listener->name());
    listeners.push_back(std::move(*listener));
  }
  std::vector<pid_t> children;
  for (int rank = 0; rank < kRanks - 1; ++rank) {
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      for (int other = 0; other < kRanks; ++other) {
        if (other != rank) listeners[static_cast<std::size_t>(other)].close();
      }
      ::_exit(run_child(listeners[static_cast<std::size_t>(rank)], rank, sockets));
    }
    children.push_back(pid);
  }
  for (std::size_t rank = 0; rank < 3; ++rank) listeners[rank].close();
  const std::atomic<bool> cancelled{false};
  auto channels = connect_peers(listeners[3], peers_for(3, sockets), cancelled);
  REQUIRE(channels.ok());
  for (std::uint64_t peer = 0; peer < 3; ++peer) {
    Channel* channel = (*channels)[peer].get();
    REQUIRE(channel != nullptr);
    REQUIRE(channel->send(Lane::Collect, numbered(3), numbered_payload(3, kPayload)));
  }
  for (std::uint64_t peer = 0; peer < 3; ++peer) {
    Channel& channel = *(*channels)[peer];
    REQUIRE(await_message(channel, Lane::Collect));
    CHECK(is_numbered(*channel.peek(Lane::Collect), peer, kPayload));
    int state = -1;
    REQUIRE(::waitpid(children[peer], &state, 0) == children[peer]);
    CHECK(state == 0);
    CHECK(!await_message(channel, Lane::Control));
    CHECK(channel.health().code() == lhRemoteError);
    CHECK(channel.peek(Lane::Collect).has_value());
  }
  CHECK((*channels)[3] == nullptr);
  CHECK(listeners[3].dropped() == 0);
}

TEST_CASE("a killed process is noticed although a child of it keeps its sockets", "[contract][site]") {
  auto listener = LocalListener::open();
  REQUIRE(listener.ok());
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    auto own = LocalListener::open();
    const std::atomic<bool> cancelled{false};
    auto channels = connect_peers(*own, peers_for(0, {own->name(), listener->name()}), cancelled);
    const pid_t grandchild = ::fork();
    if (grandchild == 0) {  // holds copies of everything until the test ends
      char byte = 0;
      write_end = Fd();
      const ssize_t got = ::read(read_end.get(), &byte, 1);
      ::_exit(got == 0 ? 0 : 1);
    }
    ::_exit(channels.ok() && (*channels)[1] ? 0 : 1);
  }
  const std::atomic<bool> cancelled{false};
  auto channels = connect_peers(*listener, peers_for(1, {"somebody", listener->name()}), cancelled);
  REQUIRE(channels.ok());
  REQUIRE((*channels)[0] != nullptr);
  std::vector<pollfd> fds;
  (*channels)[0]->append_wait_fds(fds);
  if (fds.size() == 2) {  // this kernel and sandbox give out pidfds
    CHECK(!await_message(*(*channels)[0], Lane::Control));
    CHECK((*channels)[0]->health().code() == lhRemoteError);
  }
  int state = -1;
  CHECK(::waitpid(pid, &state, 0) == pid);
  CHECK(state == 0);
  write_end = Fd();
}

/// A raw connection to a listener.
Fd call(const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::copy(name.begin(), name.end(), address.sun_path + 1);
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
  return socket;
}

LocalHello good_hello() { return {token_of(7), 0, kPayload, shm_layout({.max_payload = kPayload}).bytes}; }

Fd good_memory() {
  auto file = create_shared_file(good_hello().memory_bytes);
  REQUIRE(file.ok());
  return std::move(*file);
}

/// Everything a stranger may send before the real rank 0 comes. The sockets stay open.
std::vector<Fd> send_strangers(const std::string& name) {
  std::vector<Fd> sockets;
  const auto with_hello = [&](const LocalHello& hello, int file) {
    sockets.push_back(call(name));
    REQUIRE(send_hello(sockets.back().get(), hello, file));
  };
  const Fd memory = good_memory();
  LocalHello hello = good_hello();
  hello.token = token_of(8);
  with_hello(hello, memory.get());
  for (const std::uint32_t rank : {1U, 2U, 0xffffffffU}) {
    hello = good_hello();
    hello.rank = rank;
    with_hello(hello, memory.get());
  }
  hello = good_hello();
  hello.max_payload = std::uint64_t{1} << 60;
  with_hello(hello, memory.get());
  hello = good_hello();
  hello.memory_bytes += 4096;
  with_hello(hello, memory.get());

  auto small = create_shared_file(4096);
  REQUIRE(small.ok());
  with_hello(good_hello(), small->get());
  const Fd unsealed(::memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(::ftruncate(unsealed.get(), static_cast<off_t>(good_hello().memory_bytes)) == 0);
  with_hello(good_hello(), unsealed.get());

  sockets.push_back(call(name));  // the right bytes without memory
  const auto bytes = encode(good_hello());
  REQUIRE(::send(sockets.back().get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  sockets.push_back(call(name));  // another protocol
  const std::string text(100, 'x');
  REQUIRE(::send(sockets.back().get(), text.data(), text.size(), MSG_NOSIGNAL) > 0);
  (void)call(name);  // hangs up at once
  return sockets;
}
constexpr std::uint64_t kStrangers = 11;

TEST_CASE("strangers are turned away and counted, and disturb nobody", "[contract][site]") {
  auto listener = LocalListener::open();
  REQUIRE(listener.ok());
  const std::vector<Fd> strangers = send_strangers(listener->name());
  const Fd silent = call(listener->name());
  // The real one, last in the queue.
  const Fd real = call(listener->name());
  REQUIRE(send_hello(real.get(), good_hello(), good_memory().get()));
  const std::atomic<bool> cancelled{false};
  auto channels = connect_peers(*listener, peers_for(1, {"rank 0", listener->name()}), cancelled);
  REQUIRE(channels.ok());
  CHECK((*channels)[0] != nullptr);
  CHECK(listener->dropped() == kStrangers);
  char answer = 0;
  CHECK(::recv(real.get(), &answer, 1, 0) == 1);
  CHECK(answer == kHelloAccepted);
  for (const Fd& stranger : strangers) CHECK(::recv(stranger.get(), &answer, 1, 0) <= 0);
}

TEST_CASE("a rank is joined once", "[contract][site]") {
  auto listener = LocalListener::open();
  REQUIRE(listener.ok());
  std::vector<Fd> callers;
  for (const std::uint32_t rank : {0U, 0U, 1U}) {
    callers.push_back(call(listener->name()));
    LocalHello hello = good_hello();
    hello.rank = rank;
    REQUIRE(send_hello(callers.back().get(), hello, good_memory().get()));
  }
  const std::atomic<bool> cancelled{false};
  auto channels = connect_peers(*listener, peers_for(2, {"rank 0", "rank 1", listener->name()}), cancelled);
  REQUIRE(channels.ok());
  CHECK((*channels)[0] != nullptr);
  CHECK((*channels)[1] != nullptr);
  CHECK(listener->dropped() == 1);
  char answer = 0;
  CHECK(::recv(callers[0].get(), &answer, 1, 0) == 1);
  CHECK(::recv(callers[1].get(), &answer, 1, 0) <= 0);
}

TEST_CASE("a hello may come in pieces", "[contract][site]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Fd near(ends[0]);
  const Fd far(ends[1]);
  HelloReceiver receiver;
  CHECK(receiver.receive(near.get()) == HelloReceiver::State::Incomplete);
  const auto bytes = encode(good_hello());
  REQUIRE(::send(far.get(), bytes.data(), 5, MSG_NOSIGNAL) == 5);
  CHECK(receiver.receive(near.get()) == HelloReceiver::State::Incomplete);
  SECTION("but not without its memory") {
    REQUIRE(::send(far.get(), bytes.data() + 5, bytes.size() - 5, MSG_NOSIGNAL) > 0);
    CHECK(receiver.receive(near.get()) == HelloReceiver::State::Bad);
  }
  SECTION("and not with two files") {
    const Fd memory = good_memory();
    REQUIRE(send_hello(far.get(), good_hello(), memory.get()));
    REQUIRE(send_hello(far.get(), good_hello(), memory.get()));
    CHECK(receiver.receive(near.get()) == HelloReceiver::State::Bad);
  }
  SECTION("and not ended early") {
    ::shutdown(far.get(), SHUT_WR);
    CHECK(receiver.receive(near.get()) == HelloReceiver::State::Bad);
  }
}

TEST_CASE("every cut or altered hello is refused by the decoder or means what it says", "[contract][site]") {
  const auto bytes = encode(good_hello());
  CHECK(decode_local_hello(bytes).has_value());
  for (std::size_t size = 0; size < bytes.size(); ++size) CHECK(!decode_local_hello(ConstBytes(bytes).first(size)));
  for (std::size_t i = 0; i < 8; ++i) {
    auto altered = bytes;
    altered[i] ^= std::byte{1};
    CHECK(!decode_local_hello(altered));
  }
}

TEST_CASE("ranks that cannot be reached become null entries", "[contract][site]") {
  auto listener = LocalListener::open();
  REQUIRE(listener.ok());
  const std::atomic<bool> cancelled{false};
  SECTION("a name nobody listens to, and names that cannot be one") {
    const std::string own = listener->name();
    auto channels =
        connect_peers(*listener, peers_for(0, {own, "longhaul-nobody", std::string(500, 'n'), ""}), cancelled);
    REQUIRE(channels.ok());
    for (const auto& channel : *channels) CHECK(channel == nullptr);
  }
  SECTION("a rank that never dials") {
    LocalPeers peers = peers_for(1, {"longhaul-elsewhere", listener->name()});
    peers.accept_deadline = steady_now();
    auto channels = connect_peers(*listener, peers, cancelled);
    REQUIRE(channels.ok());
    CHECK((*channels)[0] == nullptr);
  }
  SECTION("a rank that never answers") {
    auto deaf = LocalListener::open();
    REQUIRE(deaf.ok());
    LocalPeers peers = peers_for(0, {listener->name(), deaf->name()});
    peers.deadline = steady_now() + 30 * kMillisecond;
    auto channels = connect_peers(*listener, peers, cancelled);
    REQUIRE(channels.ok());
    CHECK((*channels)[1] == nullptr);
  }
  SECTION("a rank of another job") {
    auto other = LocalListener::open();
    REQUIRE(other.ok());
    LocalPeers theirs = peers_for(1, {"rank 0", other->name()});
    theirs.token = token_of(9);
    theirs.accept_deadline = steady_now() + 50 * kMillisecond;
    std::thread thread([&] { (void)connect_peers(*other, theirs, cancelled).ok(); });
    auto channels = connect_peers(*listener, peers_for(0, {listener->name(), theirs.sockets[1]}), cancelled);
    thread.join();
    REQUIRE(channels.ok());
    CHECK((*channels)[1] == nullptr);
  }
}

TEST_CASE("joining can be cancelled", "[contract][site]") {
  auto listener = LocalListener::open();
  REQUIRE(listener.ok());
  std::atomic<bool> cancelled{false};
  const LocalPeers peers = peers_for(1, {"longhaul-late", listener->name()});
  std::thread thread([&] { cancelled = true; });
  auto channels = connect_peers(*listener, peers, cancelled);
  thread.join();
  REQUIRE(!channels.ok());
  CHECK(channels.status().code() == lhAborted);
}

}  // namespace
}  // namespace longhaul::site::testing
