// SPDX-License-Identifier: Apache-2.0
// Whole bring-ups over real loopback sockets, every rank a thread: good ones, and ones where somebody is wrong, missing
// or a stranger. Ports are found free; a test that loses one to another process begins again.
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

using namespace longhaul;
using namespace longhaul::bootstrap;

namespace {

using Blob = std::vector<std::byte>;
using Blobs = std::vector<Blob>;

constexpr TimeNs kLong = 20 * kSecond;  // for what must succeed
constexpr TimeNs kShort = 700 * kMillisecond;

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

std::vector<std::uint16_t> free_ports(std::size_t count) {
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

Fd dial(std::uint16_t port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) return {};
  return socket;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Blob secret_of(const std::string& text) {
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
void with_job(const std::function<Job()>& make, const std::function<void(Job&)>& change,
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

void check_directories(const Job& job) {
  for (const auto& rank : job.ranks) {
    REQUIRE(rank->ok());
    const Directory& directory = rank->result->value();
    REQUIRE(directory.site_sizes == job.sizes);
    REQUIRE(directory.cards.size() == job.ranks.size());
    for (std::size_t i = 0; i < job.ranks.size(); ++i) CHECK(directory.cards[i] == job.ranks[i]->card);
  }
}

void nothing(Job&) {}

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

}  // namespace

TEST_CASE("all ranks of all sites get the same directory", "[contract][bootstrap]") {
  const auto sizes = GENERATE(std::vector<int>{1}, std::vector<int>{4}, std::vector<int>{1, 1}, std::vector<int>{2, 2},
                              std::vector<int>{3, 2}, std::vector<int>{2, 1, 2});
  const bool own_site_ports = GENERATE(true, false);
  with_job([&] { return Job(sizes, own_site_ports); }, nothing,
           [](Job& job) {
             check_directories(job);
             for (const auto& rank : job.ranks) CHECK(rank->dropped == 0);
           });
}

TEST_CASE("without a secret the run id decides", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({2, 1});
      },
      [](Job& job) {
        for (const auto& rank : job.ranks) rank->config.secret.clear();
      },
      check_directories);
}

TEST_CASE("many ranks of one site join at once", "[contract][bootstrap]") {
  with_job([] { return Job({80}); }, nothing, check_directories);
}

TEST_CASE("names are resolved", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({2, 1});
      },
      [](Job& job) {
        for (const auto& rank : job.ranks) {
          for (config::Site& site : rank->config.sites) site.address.host = "localhost";
          if (rank->config.site_address) rank->config.site_address->host = "localhost";
        }
      },
      check_directories);
}

TEST_CASE("a taken port is named", "[contract][bootstrap]") {
  Job job({1, 1});
  const Fd squatter(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(job.wan_port(0));
  REQUIRE(::bind(squatter.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(::listen(squatter.get(), 1) == 0);
  const std::atomic<bool> cancelled{false};
  Rendezvous rendezvous(job.at(0, 0).config, cancelled);
  const Status status = rendezvous.open();
  CHECK(status.code() == lhSystemError);
  CHECK(contains(status.text(), "127.0.0.1:" + std::to_string(job.wan_port(0))));
  CHECK(contains(status.text(), "another job"));
}

TEST_CASE("a missing rank is named at every rank of every site", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({4, 1});
      },
      [](Job& job) {
        job.set_limit(kShort);
        job.at(0, 2).present = false;
      },
      [](Job& job) {
        const std::string expected =
            "site wisconsin: rank 2 of 4 did not join at 127.0.0.1:" + std::to_string(job.site_port(0)) +
            " within 0.7 s";
        for (const auto& rank : job.ranks) {
          if (!rank->present) continue;
          REQUIRE_FALSE(rank->ok());
          CHECK(rank->code() == lhTimeout);
          const bool named = contains(rank->text(), expected) || contains(rank->text(), "up but its rank 2 is missing");
          CHECK(named);
          CHECK((rank->config.site == 1 || contains(rank->text(), expected)));
        }
      });
}

TEST_CASE("the other site's missing ranks are known before they are too late", "[contract][bootstrap]") {
  // Atlanta's patience ends long before Wisconsin's, so it has to find the words itself.
  const std::size_t short_site = GENERATE(0u, 1u);
  with_job(
      [&] {
        return short_site == 1 ? Job({3, 1}) : Job({1, 3});
      },
      [&](Job& job) {
        job.set_limit(4 * kSecond);
        job.at(short_site, 0).limit = kShort;
        job.at(1 - short_site, 1).present = false;
        job.at(1 - short_site, 2).present = false;
      },
      [&](Job& job) {
        const Rank& rank = job.at(short_site, 0);
        REQUIRE_FALSE(rank.ok());
        CHECK(rank.code() == lhTimeout);
        CHECK(contains(rank.text(), "it is up but its ranks 1, 2 are missing"));
      });
}

TEST_CASE("a missing rank 0 is named", "[contract][bootstrap]") {
  with_job([] { return Job({2}); },
           [](Job& job) {
             job.set_limit(kShort);
             job.at(0, 0).present = false;
           },
           [](Job& job) {
             const Rank& rank = job.at(0, 1);
             REQUIRE_FALSE(rank.ok());
             CHECK(rank.code() == lhTimeout);
             CHECK(contains(rank.text(), "rank 0 of site wisconsin does not answer at 127.0.0.1:" +
                                             std::to_string(job.site_port(0)) + " (connection refused)"));
           });
}

TEST_CASE("a missing site is named at every rank", "[contract][bootstrap]") {
  const std::size_t missing = GENERATE(0u, 1u, 2u);
  with_job(
      [] {
        return Job({2, 1, 2});
      },
      [&](Job& job) {
        job.set_limit(kShort);
        for (const auto& rank : job.ranks) {
          if (rank->config.site == static_cast<int>(missing)) rank->present = false;
        }
      },
      [&](Job& job) {
        const config::Site& site = job.sites[missing];
        for (const auto& rank : job.ranks) {
          if (!rank->present) continue;
          REQUIRE_FALSE(rank->ok());
          CHECK(rank->code() == lhTimeout);
          CHECK(contains(rank->text(), "site " + site.name + " (" + site.address.text() + ") did not answer"));
        }
      });
}

TEST_CASE("a site that is down is refused by its machine", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({1, 1});
      },
      [](Job& job) {
        job.set_limit(kShort);
        job.at(0, 0).present = false;
      },
      [](Job& job) { CHECK(contains(job.at(1, 0).text(), "within 0.7 s: connection refused")); });
}

TEST_CASE("a site whose secret or run id differs", "[contract][bootstrap]") {
  const bool by_run_id = GENERATE(true, false);
  with_job(
      [] {
        return Job({2, 2});
      },
      [&](Job& job) {
        // The caller has 20 s and must not use them.
        for (int r = 0; r < 2; ++r) {
          Rank& caller = job.at(1, r);
          if (by_run_id) {
            caller.config.run_id = "other";
          } else {
            caller.config.secret = secret_of("a secret of another job");
          }
          job.at(0, r).limit = kShort;
        }
      },
      [&](Job& job) {
        for (const auto& rank : job.ranks) {
          REQUIRE_FALSE(rank->ok());
          CHECK(rank->code() == lhAuthFailed);
          CHECK(contains(rank->text(), by_run_id ? "run id differs" : "secret differs"));
          if (rank->config.site == 1) CHECK(rank->took < kLong);
        }
        CHECK(contains(job.at(0, 0).text(), "site atlanta"));
        CHECK(contains(job.at(0, 1).text(), "site atlanta"));
        CHECK(job.at(0, 0).dropped >= 1);
      });
}

TEST_CASE("a rank whose secret differs", "[contract][bootstrap]") {
  with_job([] { return Job({3}); },
           [](Job& job) {
             job.set_limit(kShort);
             job.at(0, 2).config.secret.clear();
             job.at(0, 2).limit = kLong;
           },
           [](Job& job) {
             for (const auto& rank : job.ranks) {
               REQUIRE_FALSE(rank->ok());
               CHECK(rank->code() == lhAuthFailed);
               CHECK(contains(rank->text(), "secret differs"));
             }
             CHECK(contains(job.at(0, 0).text(), "rank 2 of 3 did not join"));
             CHECK(contains(job.at(0, 1).text(), "rank 2 of 3 did not join"));
           });
}

TEST_CASE("ranks of one site with different configurations", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({3, 1});
      },
      [](Job& job) { job.at(0, 1).card.config_text = "wan.chunk = 4194304\nrun_id = test\n"; },
      [](Job& job) {
        for (const auto& rank : job.ranks) {
          REQUIRE_FALSE(rank->ok());
          CHECK(rank->code() == lhInvalidArgument);
          CHECK(contains(rank->text(), "wan.chunk"));
          CHECK(contains(rank->text(), "4194304"));
          CHECK(contains(rank->text(), "1048576"));
        }
        CHECK(contains(job.at(1, 0).text(), "wisconsin"));
      });
}

TEST_CASE("sites with different configurations", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({2, 2, 1});
      },
      [](Job& job) {
        for (int r = 0; r < 2; ++r) job.at(1, r).card.config_text = "wan.chunk = 4194304\nrun_id = test\n";
      },
      [](Job& job) {
        for (const auto& rank : job.ranks) {
          REQUIRE_FALSE(rank->ok());
          CHECK(rank->code() == lhInvalidArgument);
          CHECK(contains(rank->text(), "wan.chunk"));
          CHECK(contains(rank->text(), rank->config.site == 1 ? "at site wisconsin" : "at site atlanta"));
        }
      });
}

TEST_CASE("ranks that contradict their site are refused and the others go on", "[contract][bootstrap]") {
  struct Case {
    std::function<void(Rank*)> change;
    const char* text;
  };
  const std::vector<Case> cases{
      {[](Rank* rank) { rank->config.site_size = 5; }, "siteSize 3 at rank 0, but 5 at rank 1"},
      {[](Rank* rank) { rank->config.site_rank = 7; }, "siteRank 7 cannot join"},
      {[](Rank* rank) { rank->config.site = 1; }, "check LONGHAUL_SITE"},
  };
  for (const Case& one : cases) {
    with_job(
        [] {
          return Job({3, 1});
        },
        [&](Job& job) {
          auto intruder = job.make(0, 1, true);
          one.change(intruder.get());
          job.ranks.push_back(std::move(intruder));
          // Rank 2 waits for the intruder's end, so the site is incomplete until then.
          Rank* wrong = job.ranks.back().get();
          wrong->present = false;
          job.at(0, 2).before = [wrong] { Job::run_rank(wrong); };
        },
        [&](Job& job) {
          const Rank& wrong = *job.ranks.back();
          REQUIRE_FALSE(wrong.ok());
          CHECK(wrong.code() == lhInvalidArgument);
          CHECK(contains(wrong.text(), one.text));
          job.ranks.pop_back();
          CHECK(job.at(0, 0).dropped >= 1);
          check_directories(job);
        });
  }
}

TEST_CASE("a second process with the same siteRank is refused", "[contract][bootstrap]") {
  with_job([] { return Job({3}); },
           [](Job& job) {
             job.at(0, 2).present = false;
             job.at(0, 0).limit = job.at(0, 1).limit = kSecond;
             job.ranks.push_back(job.make(0, 1, true));
             job.ranks.back()->limit = kSecond;
           },
           [](Job& job) {
             const Rank& first = job.at(0, 1);
             const Rank& second = *job.ranks.back();
             // Whichever came later was refused at once.
             CHECK(((first.code() == lhInvalidArgument) != (second.code() == lhInvalidArgument)));
             const Rank& refused = first.code() == lhInvalidArgument ? first : second;
             CHECK(contains(refused.text(), "rank 1 of site wisconsin is here already"));
             CHECK(job.at(0, 0).code() == lhTimeout);
           });
}

TEST_CASE("a rank that dies before the site is complete may come again", "[contract][bootstrap]") {
  std::promise<void> died;
  std::shared_future<void> death = died.get_future().share();
  bool told = false;
  with_job([] { return Job({3}); },
           [&](Job& job) {
             job.at(0, 1).before = [&] {
               if (told) return;
               told = true;
               auto first_life = job.make(0, 1, true);
               first_life->limit = 300 * kMillisecond;
               Job::run_rank(first_life.get());
               died.set_value();
             };
             // Rank 2 is late, so that the site is not complete during the first life.
             job.at(0, 2).before = [death] { death.wait(); };
           },
           check_directories);
}

TEST_CASE("strangers change nothing", "[contract][bootstrap]") {
  std::vector<Fd> half_open;  // while the rank itself joins
  with_job(
      [] {
        return Job({2, 2});
      },
      [&](Job& job) {
        // The second site's rank 1 comes only after rank 0 has met all of these.
        const std::uint16_t site_port = job.site_port(1);
        const std::uint16_t wan_port = job.wan_port(1);
        job.at(1, 1).before = [&half_open, site_port, wan_port] {
          Random random(3);
          for (int i = 0; i < 300; ++i) {
            Fd socket = dial(i % 2 == 0 ? site_port : wan_port);
            for (int retry = 0; !socket.valid() && retry < 400; ++retry) {
              std::this_thread::sleep_for(std::chrono::milliseconds(10));  // rank 0 is not up yet
              socket = dial(i % 2 == 0 ? site_port : wan_port);
            }
            if (!socket.valid()) return;
            Blob noise(random.below(2000));
            for (std::byte& b : noise) b = static_cast<std::byte>(random.next());
            if (i % 5 == 1) noise.assign(4, std::byte{0xff});  // claims 4 GiB
            if (i % 5 == 2) noise.assign(1, std::byte{40});    // a length that never ends
            if (i % 5 != 3 && !noise.empty()) (void)::send(socket.get(), noise.data(), noise.size(), MSG_NOSIGNAL);
            if (i % 5 != 4) half_open.push_back(std::move(socket));
          }
        };
      },
      [](Job& job) {
        check_directories(job);
        CHECK(job.at(1, 0).dropped >= 60);
        CHECK(job.at(0, 0).dropped == 0);
      });
}

TEST_CASE("strangers only make a timeout, not a failed authentication", "[contract][bootstrap]") {
  with_job(
      [] {
        return Job({1, 1});
      },
      [](Job& job) {
        job.set_limit(kShort);
        job.at(1, 0).present = false;
        const std::uint16_t port = job.wan_port(0);
        job.at(0, 0).before = [port] {
          for (int i = 0; i < 10; ++i) {
            const Fd socket = dial(port);
            (void)::send(socket.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL);
          }
        };
      },
      [](Job& job) {
        CHECK(job.at(0, 0).code() == lhTimeout);
        CHECK(job.at(0, 0).dropped == 10);
      });
}

TEST_CASE("a squatter at the address is not taken for a rank", "[contract][bootstrap]") {
  Job job({1, 1});
  const Fd squatter(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(job.wan_port(0));
  REQUIRE(::bind(squatter.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(::listen(squatter.get(), 16) == 0);
  job.at(0, 0).present = false;
  job.set_limit(kShort);
  SECTION("that says nothing") { job.run(); }
  SECTION("that speaks another protocol") {
    std::thread speaker([&] {
      const Fd caller(::accept(squatter.get(), nullptr, nullptr));
      (void)::send(caller.get(), "220 mail ready\r\n", 16, MSG_NOSIGNAL);
      job.run();
    });
    const Fd first = dial(job.wan_port(0));  // lets the speaker begin
    speaker.join();
  }
  CHECK(job.at(1, 0).code() == lhTimeout);
  CHECK(contains(job.at(1, 0).text(),
                 "site wisconsin (127.0.0.1:" + std::to_string(job.wan_port(0)) + ") did not answer"));
}

TEST_CASE("cancelling ends the wait of a rank 0", "[contract][bootstrap]") {
  const bool waits_for_site = GENERATE(true, false);
  std::thread canceller;
  with_job(
      [&] {
        return waits_for_site ? Job({1, 1}) : Job({2});
      },
      [&](Job& job) {
        Rank* leader = &job.at(0, 0);
        job.ranks.back()->present = false;
        const std::uint16_t port = waits_for_site ? job.wan_port(0) : job.site_port(0);
        leader->before = [&canceller, leader, port] {
          canceller = std::thread([leader, port] {
            // Once a stranger has been dropped, the leader is known to wait.
            const Fd stranger = dial(port);
            char byte = 0;
            (void)::send(stranger.get(), "GET / HTTP/1.1", 14, MSG_NOSIGNAL);
            (void)::recv(stranger.get(), &byte, 1, 0);
            leader->cancelled = true;
          });
        };
      },
      [](Job& job) {
        CHECK(job.at(0, 0).code() == lhAborted);
        CHECK(job.at(0, 0).dropped == 1);
      });
  canceller.join();
}

TEST_CASE("cancelling ends the wait of another rank", "[contract][bootstrap]") {
  Job job({2});
  job.at(0, 0).present = false;
  Rank& rank = job.at(0, 1);
  const Fd silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(job.site_port(0));
  REQUIRE(::bind(silent.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  REQUIRE(::listen(silent.get(), 16) == 0);
  std::thread canceller([&] {
    const Fd caller(::accept(silent.get(), nullptr, nullptr));
    char byte = 0;
    (void)::recv(caller.get(), &byte, 1, 0);
    rank.cancelled = true;
  });
  job.run();
  canceller.join();
  CHECK(rank.code() == lhAborted);
}

TEST_CASE("when a rank 0 is cancelled, its ranks learn it", "[contract][bootstrap]") {
  Job job({2});
  Rank& leader = job.at(0, 0);
  Rank& other = job.at(0, 1);
  std::optional<Result<Blobs>> ends[2];
  const auto work = [&](Rank* rank, std::optional<Result<Blobs>>* end) {
    Rendezvous rendezvous(rank->config, rank->cancelled);
    const TimeNs deadline = steady_now() + kLong;
    if (!rendezvous.open().ok() || !rendezvous.site_exchange().all_gather({}, deadline).ok()) return;
    if (rank == &other) leader.cancelled = true;
    end->emplace(rendezvous.site_exchange().all_gather({}, deadline));
  };
  std::thread first(work, &leader, &ends[0]);
  std::thread second(work, &other, &ends[1]);
  first.join();
  second.join();
  REQUIRE((ends[0] && ends[1]));
  // The leader may have got the second round done before it looked.
  if (ends[0]->ok()) return;
  CHECK(ends[0]->status().code() == lhAborted);
  CHECK(ends[1]->status().code() == lhRemoteError);
  CHECK(contains(ends[1]->status().text(), "rank 0 of site wisconsin aborted its initialisation"));
}

TEST_CASE("the callback serves as the in-site exchange", "[contract][bootstrap]") {
  const auto sizes = GENERATE(std::vector<int>{3}, std::vector<int>{2, 3});
  std::vector<std::unique_ptr<Board>> boards;
  std::vector<std::unique_ptr<Board::Seat>> seats;
  std::vector<std::unique_ptr<SiteExchange>> exchanges;
  with_job([&] { return Job(sizes); },
           [&](Job& job) {
             for (int size : sizes) boards.push_back(std::make_unique<Board>(size));
             const std::size_t first = boards.size() - sizes.size();
             for (const auto& rank : job.ranks) {
               Board* board = boards[first + static_cast<std::size_t>(rank->config.site)].get();
               seats.push_back(std::make_unique<Board::Seat>(Board::Seat{board, rank->config.site_rank, -1, 0}));
               exchanges.push_back(make_oob_exchange({seats.back().get(), &Board::allgather}, rank->config.site_size));
               rank->exchange = exchanges.back().get();
               rank->config.site_address.reset();
             }
           },
           check_directories);
}

TEST_CASE("a failure between sites reaches ranks behind a callback", "[contract][bootstrap]") {
  Board board(2);
  Board::Seat seats[2]{{&board, 0, -1, 0}, {&board, 1, -1, 0}};
  const auto first = make_oob_exchange({&seats[0], &Board::allgather}, 2);
  const auto second = make_oob_exchange({&seats[1], &Board::allgather}, 2);
  Job job({2, 1});
  job.set_limit(kShort);
  job.at(1, 0).present = false;
  job.at(0, 0).exchange = first.get();
  job.at(0, 1).exchange = second.get();
  job.run();
  for (int r = 0; r < 2; ++r) {
    REQUIRE_FALSE(job.at(0, r).ok());
    CHECK(job.at(0, r).code() == lhTimeout);
    CHECK(contains(job.at(0, r).text(), "site atlanta"));
  }
}

TEST_CASE("the callback's blobs may have any size up to 1 MiB", "[contract][bootstrap]") {
  Board board(2);
  Board::Seat seats[2]{{&board, 0, -1, 0}, {&board, 1, -1, 0}};
  const std::size_t mine = GENERATE(std::size_t{0}, std::size_t{5}, std::size_t{1} << 20, (std::size_t{1} << 20) + 1);
  const std::size_t theirs = GENERATE(std::size_t{0}, std::size_t{77});
  const Blob blobs[2]{Blob(mine, std::byte{1}), Blob(theirs, std::byte{2})};
  std::optional<Result<Blobs>> results[2];
  std::vector<std::thread> threads;
  for (std::size_t r = 0; r < 2; ++r) {
    threads.emplace_back([&, r] {
      results[r].emplace(make_oob_exchange({&seats[r], &Board::allgather}, 2)->all_gather(blobs[r], kNever));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& result : results) {
    if (mine > 1 << 20) {
      REQUIRE_FALSE(result->ok());
      CHECK(result->status().code() == lhInvalidArgument);
    } else {
      REQUIRE(result->ok());
      CHECK(result->value() == Blobs{blobs[0], blobs[1]});
    }
  }
}

TEST_CASE("a callback that fails is a system error", "[contract][bootstrap]") {
  Board board(1);
  const int at = GENERATE(0, 1);
  Board::Seat seat{&board, 0, at, 0};
  const auto result = make_oob_exchange({&seat, &Board::allgather}, 1)->all_gather(secret_of("x"), kNever);
  REQUIRE_FALSE(result.ok());
  CHECK(result.status().code() == lhSystemError);
  CHECK(contains(result.status().text(), "17"));
  CHECK(make_oob_exchange({nullptr, nullptr}, 1)->all_gather({}, kNever).status().code() == lhInvalidArgument);
}

namespace {

struct Pair {
  Pair() {
    int fds[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    ours = Fd(fds[0]);
    theirs = Fd(fds[1]);
  }
  void say(ConstBytes bytes) const {
    REQUIRE(::send(theirs.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  Fd ours, theirs;
};

}  // namespace

TEST_CASE("messages arrive whole and within their limit", "[contract][bootstrap]") {
  Pair pair;
  FramedSocket socket(std::move(pair.ours), 8);
  const Poller poller;
  const Blob stream{std::byte{2}, {}, {},           {}, std::byte{7}, std::byte{8}, {},          {},
                    {},           {}, std::byte{1}, {}, {},           {},           std::byte{9}};
  for (const std::byte& one : stream) {
    pair.say({&one, 1});
    socket.step(poller);
  }
  CHECK(socket.receive() == Blob{std::byte{7}, std::byte{8}});
  socket.step(poller);  // reading stops while a message waits
  CHECK(socket.receive() == Blob{});
  socket.step(poller);
  CHECK(socket.receive() == Blob{std::byte{9}});
  CHECK_FALSE(socket.receive().has_value());
  CHECK(socket.open());
  const Blob too_long{std::byte{9}, {}, {}, {}, std::byte{1}};
  SECTION("a longer one ends the connection") {
    pair.say(too_long);
    socket.step(poller);
    CHECK_FALSE(socket.receive().has_value());
    CHECK_FALSE(socket.open());
    CHECK(contains(socket.problem(), "9 bytes"));
  }
  SECTION("the limit may change") {
    socket.set_limit(9);
    pair.say(too_long);
    pair.say(Blob(8));
    socket.step(poller);
    CHECK(socket.receive() == [] {
      Blob blob(9);
      blob[0] = std::byte{1};
      return blob;
    }());
  }
  SECTION("what came before the end is not lost") {
    pair.say(Blob{std::byte{1}, {}, {}, {}, std::byte{5}});
    pair.theirs = Fd();
    socket.step(poller);
    CHECK(socket.receive() == Blob{std::byte{5}});
    socket.step(poller);
    CHECK_FALSE(socket.receive().has_value());
    CHECK_FALSE(socket.open());
  }
}

TEST_CASE("a caller that drips its bytes has 5 s in all", "[contract][bootstrap]") {
  const security::Credentials credentials{"run", {}};
  security::Handshake dialer = security::Handshake::dial(credentials, {});
  const Blob hello = dialer.take_output();
  Pair sockets;
  auto peer = PeerHello::accept({std::move(sockets.ours), "a test"}, credentials, 1000);
  const Poller poller;
  sockets.say(Blob{static_cast<std::byte>(hello.size()), {}, {}, {}});
  TimeNs now = 1000;
  for (std::size_t i = 0; i < 5; ++i) {
    REQUIRE(peer->state() == PeerHello::State::Greeting);
    now += kSecond;
    sockets.say(ConstBytes(hello).subspan(i, 1));
    peer->step(poller, now);
  }
  CHECK(peer->state() == PeerHello::State::Failed);
  CHECK_FALSE(peer->heard());
}

TEST_CASE("cards survive their way and nonsense does not", "[contract][bootstrap]") {
  const Job job({3});
  std::vector<RankCard> cards;
  for (const auto& rank : job.ranks) cards.push_back(rank->card);
  const Result<Blob> one = encode_card(cards[1]);
  REQUIRE(one.ok());
  REQUIRE(decode_card(*one).has_value());
  CHECK(*decode_card(*one) == cards[1]);
  const Blob all = encode_site(cards);
  REQUIRE(decode_site(all).has_value());
  CHECK(decode_site(all)->size() == 3);
  for (std::size_t length = 0; length < one->size(); ++length) {
    CHECK_FALSE(decode_card(ConstBytes(*one).first(length)).has_value());
  }
  Random random(9);
  for (int i = 0; i < 20000; ++i) {
    Blob noise = random.chance(0.5) ? all : *one;
    for (int k = 0; k < 3; ++k) noise[random.below(noise.size())] = static_cast<std::byte>(random.next());
    noise.resize(random.below(noise.size() + 1));
    (void)decode_card(noise);
    (void)decode_site(noise);
    (void)decode_message(noise);
    (void)decode_outcome(noise);
    (void)decode_caller(noise);
  }
  RankCard long_one = cards[0];
  long_one.machine.assign(300, 'x');
  CHECK(encode_card(long_one).status().code() == lhInvalidArgument);
}

TEST_CASE("a directory is checked before it is believed", "[contract][bootstrap]") {
  const Job job({2, 1});
  const Rank& me = *job.ranks[0];
  const auto change_site = [&](const std::function<void(std::vector<RankCard>*)>& change) {
    std::vector<RankCard> first{job.ranks[0]->card, job.ranks[1]->card}, second{job.ranks[2]->card};
    change(&second);
    return make_directory(me.config, me.card, {encode_site(first), encode_site(second)});
  };
  CHECK(change_site([](auto*) {}).ok());
  const auto failure = [&](const std::function<void(std::vector<RankCard>*)>& change) {
    const Result<Directory> result = change_site(change);
    return result.ok() ? std::string("accepted") : result.status().text();
  };
  CHECK(contains(failure([](auto* cards) { (*cards)[0].site = 0; }), "rank 0 of site atlanta says it is"));
  CHECK(contains(failure([](auto* cards) { (*cards)[0].site_rank = 1; }), "siteRank 1"));
  CHECK(contains(failure([](auto* cards) { (*cards)[0].instance = 0; }), "rank 0 of site atlanta has no instance"));
  CHECK(contains(failure([](auto* cards) { cards->clear(); }), "site atlanta sent unreadable cards"));
  CHECK(contains(failure([](auto* cards) { (*cards)[0].config_text = "wan.chunk = 1\n"; }), "site atlanta"));
  CHECK_FALSE(make_directory(me.config, me.card, {}).ok());

  const Result<std::vector<RankCard>> short_site =
      check_own_site(me.config, me.card, {*encode_card(job.ranks[0]->card)});
  REQUIRE_FALSE(short_site.ok());
  CHECK(contains(short_site.status().text(), "siteSize 2"));
}
