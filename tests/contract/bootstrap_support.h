// SPDX-License-Identifier: Apache-2.0
// Jobs whose ranks are threads, for the tests of the bring-up. Ports are found free; a test that loses one to another
// process begins again.
#pragma once
#include "bootstrap/bootstrap.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "base/fd.h"
#include "base/random.h"
#include "bootstrap/card.h"
#include "bootstrap/directory.h"
#include "bootstrap/framed_socket.h"
#include "bootstrap/messages.h"
#include "bootstrap/peer_hello.h"
#include "security/handshake.h"
#include "support/catch.h"

namespace longhaul::bootstrap::testing {

using Blob = std::vector<std::byte>;
using Blobs = std::vector<Blob>;

constexpr TimeNs kLong = 20 * kSecond;  // for what must succeed
constexpr TimeNs kShort = 1500 * kMillisecond;

inline sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

inline std::vector<std::uint16_t> free_ports(std::size_t count) {
  std::vector<Fd> held;
  std::vector<std::uint16_t> ports;
  while (ports.size() < count) {
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ports.push_back(ntohs(address.sin_port));
    held.push_back(std::move(socket));
  }
  return ports;
}

inline Fd dial(std::uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  return socket;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline Blob secret_of(const std::string& text) {
  const ConstBytes bytes = as_bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

/// One rank as the job describes it; a test changes what it wants to be wrong.
struct Rank {
  config::Config config;
  RankCard card;
  TimeNs limit = kLong;
  bool present = true;
  SiteExchange* exchange = nullptr;  ///< instead of TCP
  std::atomic<bool> cancelled{false};
  std::function<void()> before;  ///< runs in the rank's thread after open()

  Status opened;
  std::optional<Result<Directory>> result;
  std::uint64_t dropped = 0;
  TimeNs took = 0;

  bool ok() const { return result && result->ok(); }
  lhResult_t code() const { return result->status().code(); }
  const std::string& text() const { return result->status().text(); }
};

struct Job {
  explicit Job(std::vector<int> site_sizes, bool own_site_ports = true) : sizes(std::move(site_sizes)) {
    ports = free_ports(2 * sizes.size());
    for (std::size_t site = 0; site < sizes.size(); ++site) {
      config::Site about;
      about.name = site == 0 ? "wisconsin" : site == 1 ? "atlanta" : "phoenix";
      about.address = {"127.0.0.1", ports[site]};
      sites.push_back(about);
    }
    for (std::size_t site = 0; site < sizes.size(); ++site) {
      for (int r = 0; r < sizes[site]; ++r) ranks.push_back(make(site, r, own_site_ports));
    }
  }

  std::unique_ptr<Rank> make(std::size_t site, int site_rank, bool own_site_ports) const {
    auto rank = std::make_unique<Rank>();
    rank->config.run_id = "test";
    rank->config.secret = secret_of("a secret of the job");
    rank->config.sites = sites;
    rank->config.site = static_cast<int>(site);
    rank->config.site_rank = site_rank;
    rank->config.site_size = sizes[site];
    if (sizes[site] > 1)
      rank->config.site_address = config::HostPort{"127.0.0.1", ports[own_site_ports ? sizes.size() + site : site]};
    rank->card.site = static_cast<std::uint32_t>(site);
    rank->card.site_rank = static_cast<std::uint32_t>(site_rank);
    rank->card.instance = 1000 + 100 * site + static_cast<std::uint64_t>(site_rank);
    rank->card.wan_host = "127.0.0.1";
    rank->card.wan_port = static_cast<std::uint16_t>(5000 + site_rank);
    rank->card.machine = "machine-" + std::to_string(site);
    rank->card.local_socket = "socket-" + std::to_string(site_rank);
    rank->card.config_text = "wan.chunk = 1048576\nrun_id = test\n";
    return rank;
  }

  Rank& at(std::size_t site, int site_rank) {
    for (const auto& rank : ranks) {
      if (rank->config.site == static_cast<int>(site) && rank->config.site_rank == site_rank) return *rank;
    }
    FAIL("no such rank");
    return *ranks.front();
  }
  std::uint16_t wan_port(std::size_t site) const { return ports[site]; }
  std::uint16_t site_port(std::size_t site) const { return ports[sizes.size() + site]; }

  void set_limit(TimeNs limit) {
    for (const auto& rank : ranks) rank->limit = limit;
  }

  void run() {
    std::vector<std::thread> threads;
    for (const auto& rank : ranks) {
      if (rank->present) threads.emplace_back([&rank] { run_rank(rank.get()); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  static void run_rank(Rank* rank) {
    const TimeNs start = steady_now();
    Rendezvous rendezvous(rank->config, rank->cancelled);
    rank->opened = rendezvous.open();
    if (!rank->opened.ok()) {
      rank->result.emplace(Status(rank->opened));
      return;
    }
    if (rank->before) rank->before();
    SiteExchange& exchange = rank->exchange ? *rank->exchange : rendezvous.site_exchange();
    rank->result.emplace(rendezvous.build_directory(exchange, rank->card, start + rank->limit));
    rank->dropped = rendezvous.dropped();
    rank->took = steady_now() - start;
  }

  std::vector<int> sizes;
  std::vector<std::uint16_t> ports;
  std::vector<config::Site> sites;
  std::vector<std::unique_ptr<Rank>> ranks;
};

/// Another process may take a port between free_ports() and its use.
inline void with_job(const std::function<Job()>& make, const std::function<void(Job&)>& change,
              const std::function<void(Job&)>& check) {
  for (int attempt = 0;; ++attempt) {
    Job job = make();
    change(job);
    job.run();
    bool taken = false;
    for (const auto& rank : job.ranks) taken |= rank->present && rank->opened.code() == lhSystemError;
    if (taken && attempt < 5) continue;
    for (const auto& rank : job.ranks) {
      UNSCOPED_INFO("site " << rank->config.site << " rank " << rank->config.site_rank << ": "
                            << (rank->result ? rank->result->status().text() : "absent"));
    }
    return check(job);
  }
}

inline void check_directories(const Job& job) {
  for (const auto& rank : job.ranks) {
    REQUIRE(rank->ok());
    const Directory& directory = rank->result->value();
    REQUIRE(directory.site_sizes == job.sizes);
    REQUIRE(directory.cards.size() == job.ranks.size());
    for (std::size_t i = 0; i < job.ranks.size(); ++i) CHECK(directory.cards[i] == job.ranks[i]->card);
  }
}

inline void nothing(Job&) {}

/// In-memory all-gather of threads behind the C callback.
class Board {
 public:
  explicit Board(int ranks) : ranks_(ranks) {}
  struct Seat {
    Board* board = nullptr;
    int rank = 0;
    int fail_at = -1;  ///< number of the call that fails
    int calls = 0;
  };
  static int allgather(void* context, const void* mine, void* all, std::size_t bytes) {
    auto* seat = static_cast<Seat*>(context);
    if (seat->calls++ == seat->fail_at) return 17;
    return seat->board->gather(seat->rank, mine, all, bytes);
  }

 private:
  int gather(int rank, const void* mine, void* all, std::size_t bytes) {
    std::unique_lock lock(mutex_);
    const auto size = static_cast<std::size_t>(ranks_) * bytes;
    if (arrived_ == 0) data_.assign(size, std::byte{});
    if (data_.size() != size) return 1;
    std::memcpy(data_.data() + static_cast<std::size_t>(rank) * bytes, mine, bytes);
    const int round = round_;
    if (++arrived_ == ranks_) {
      arrived_ = 0;
      ++round_;
      done_ = data_;
      changed_.notify_all();
    } else if (!changed_.wait_for(lock, std::chrono::seconds(5), [&] { return round_ != round; })) {
      return 2;
    }
    std::memcpy(all, done_.data(), size);
    return 0;
  }

  int ranks_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Blob data_, done_;
  int arrived_ = 0, round_ = 0;
};

}  // namespace longhaul::bootstrap::testing
