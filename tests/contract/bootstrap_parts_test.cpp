// SPDX-License-Identifier: Apache-2.0
// The callback exchange, framed messages, cards and directories.
#include "contract/bootstrap_support.h"

using namespace longhaul;
using namespace longhaul::bootstrap;
using namespace longhaul::bootstrap::testing;

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
