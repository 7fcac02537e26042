// SPDX-License-Identifier: Apache-2.0
// Whole bring-ups over real loopback sockets, every rank a thread: good ones, and ones where somebody is missing or differs.
#include "contract/bootstrap_support.h"

using namespace longhaul;
using namespace longhaul::bootstrap;
using namespace longhaul::bootstrap::testing;

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
        // Whichever site's patience ends first finds the words, and the other repeats them. The time named is what was left
        // when the wait began, a little less on a busy machine.
        const std::string expected =
            "site wisconsin: rank 2 of 4 did not join at 127.0.0.1:" + std::to_string(job.site_port(0)) +
            " within ";
        for (const auto& rank : job.ranks) {
          if (!rank->present) continue;
          REQUIRE_FALSE(rank->ok());
          CHECK(rank->code() == lhTimeout);
          const bool named = contains(rank->text(), expected) || contains(rank->text(), "up but its rank 2 is missing");
          CHECK(named);
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
      [](Job& job) { CHECK(contains(job.at(1, 0).text(), "s: connection refused")); });
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
