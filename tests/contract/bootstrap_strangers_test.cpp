// SPDX-License-Identifier: Apache-2.0
// Bring-ups with strangers, impostors, deaths and cancellation.
#include "contract/bootstrap_support.h"

using namespace longhaul;
using namespace longhaul::bootstrap;
using namespace longhaul::bootstrap::testing;

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
  std::promise<void> leader_is_through;
  const auto work = [&](Rank* rank, std::optional<Result<Blobs>>* end) {
    Rendezvous rendezvous(rank->config, rank->cancelled);
    const TimeNs deadline = steady_now() + kLong;
    if (!rendezvous.open().ok() || !rendezvous.site_exchange().all_gather({}, deadline).ok()) return;
    if (rank == &leader) leader_is_through.set_value();
    if (rank == &other) {
      leader_is_through.get_future().wait();  // its first round must not be what is cancelled
      leader.cancelled = true;
    }
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
