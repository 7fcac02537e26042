// SPDX-License-Identifier: Apache-2.0
// The handshake against a network that is the enemy: wrong credentials, changed, cut, replayed, reflected and invented
// messages. Both ends Done must mean: same secret, same run, same session, the dialer's context unchanged.
#include "security/handshake.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::security;

namespace {

using Message = std::vector<std::byte>;
using State = Handshake::State;

Message bytes_of(std::string_view text) {
  const ConstBytes bytes = as_bytes_of(text);
  return {bytes.begin(), bytes.end()};
}

Credentials job(const std::string& run = "run-7", const std::string& secret = "0123456789abcdef") {
  return {run, bytes_of(secret)};
}

const Message kContext = bytes_of("rank 3 of site 1");

/// Both ends and everything that was said.
struct Talk {
  explicit Talk(const Credentials& dialer_job = job(), const Credentials& acceptor_job = job())
      : dialer(Handshake::dial(dialer_job, kContext)), acceptor(Handshake::accept(acceptor_job)) {}

  /// Delivers until nobody says anything; `change` may alter message number i.
  template <typename Change>
  void run(Change change) {
    bool from_dialer = true;
    for (std::size_t i = 0; i < 8; ++i, from_dialer = !from_dialer) {
      Message message = (from_dialer ? dialer : acceptor).take_output();
      if (message.empty()) return;
      said.push_back(message);
      change(i, &message);
      (from_dialer ? acceptor : dialer).on_message(message);
    }
    FAIL("the handshake does not end");
  }
  void run() {
    run([](std::size_t, Message*) {});
  }
  bool both_done() const { return dialer.state() == State::Done && acceptor.state() == State::Done; }

  Handshake dialer;
  Handshake acceptor;
  std::vector<Message> said;
};

/// True where both ends are Done and agree on everything: the only way both may be Done.
bool agree(const Talk& talk) {
  const ConstBytes context = talk.acceptor.context();
  return talk.dialer.session_id() == talk.acceptor.session_id() &&
         std::equal(context.begin(), context.end(), kContext.begin(), kContext.end());
}

bool contains(const Status& status, const std::string& part) { return status.text().find(part) != std::string::npos; }

Message refusal(std::uint16_t code, const std::string& text, std::uint16_t version = 1) {
  Message memory(512);
  ByteWriter writer(memory);
  writer.bytes(as_bytes_of("LHHS"));
  writer.u16(version);
  writer.u8(5);
  writer.u16(code);
  writer.text(text);
  memory.resize(writer.size());
  return memory;
}

bool holds(const Message& message, std::string_view text) {
  const std::string all(reinterpret_cast<const char*>(message.data()), message.size());
  return all.find(text) != std::string::npos;
}

}  // namespace

TEST_CASE("two ranks of a job authenticate each other", "[unit][handshake]") {
  const Credentials credentials = GENERATE(job(), job("run-7", ""), job("", "0123456789abcdef"));
  Talk talk(credentials, credentials);
  talk.run();
  REQUIRE(talk.both_done());
  CHECK(agree(talk));
  CHECK(talk.said.size() == 4);
  CHECK(talk.dialer.status().ok());
  CHECK(talk.dialer.take_output().empty());
  for (const Message& message : talk.said) {
    CHECK(message.size() <= 256);
    if (!credentials.run_id.empty()) CHECK_FALSE(holds(message, credentials.run_id));
    CHECK_FALSE(holds(message, "0123456789abcdef"));
  }
}

TEST_CASE("every session has its own id", "[unit][handshake]") {
  Talk first, second;
  first.run();
  second.run();
  REQUIRE((first.both_done() && second.both_done()));
  CHECK(first.dialer.session_id() != second.dialer.session_id());
  CHECK(first.said[0] != second.said[0]);
  CHECK(first.said[1] != second.said[1]);
}

TEST_CASE("another secret is refused at both ends", "[unit][handshake]") {
  const std::string other = GENERATE("0123456789abcdeF", "0123456789abcde", "0123456789abcdef0", "");
  Talk talk(job("run-7", other), job());
  talk.run();
  CHECK(talk.dialer.state() == State::Failed);
  CHECK(talk.acceptor.state() == State::Failed);
  CHECK(talk.dialer.status().code() == lhAuthFailed);
  CHECK(talk.acceptor.status().code() == lhAuthFailed);
  CHECK(contains(talk.dialer.status(), "secret"));
  CHECK(contains(talk.acceptor.status(), "secret"));
}

TEST_CASE("an acceptor sees a wrong secret by itself", "[unit][handshake]") {
  // A dialer that does not check the acceptor's proof and answers with a proof of its own invention.
  Handshake acceptor = Handshake::accept(job());
  Handshake liar = Handshake::dial(job(), kContext);
  acceptor.on_message(liar.take_output());
  REQUIRE_FALSE(acceptor.take_output().empty());
  Message proof = bytes_of("LHHS");
  proof.insert(proof.end(), {std::byte{1}, std::byte{0}, std::byte{3}});
  proof.resize(proof.size() + 32);
  acceptor.on_message(proof);
  CHECK(acceptor.state() == State::Failed);
  CHECK(acceptor.status().code() == lhAuthFailed);
  const Message told = acceptor.take_output();
  liar.on_message(told);
  CHECK(liar.status().code() == lhAuthFailed);
}

TEST_CASE("another run id is refused at both ends", "[unit][handshake]") {
  Talk talk(job("run-8"), job());
  talk.run();
  CHECK(talk.dialer.status().code() == lhAuthFailed);
  CHECK(talk.acceptor.status().code() == lhAuthFailed);
  CHECK(contains(talk.dialer.status(), "run id differs"));
  CHECK(contains(talk.acceptor.status(), "run id differs"));
  for (const Message& message : talk.said) CHECK_FALSE(holds(message, "run-"));
}

TEST_CASE("another version is named at both ends", "[unit][handshake]") {
  Talk talk;
  talk.run([](std::size_t i, Message* message) {
    if (i == 0) (*message)[4] = std::byte{9};
  });
  CHECK(talk.acceptor.status().code() == lhUnsupported);
  CHECK(contains(talk.acceptor.status(), "version 1 met version 9"));
  CHECK(talk.dialer.status().code() == lhUnsupported);
  CHECK(contains(talk.dialer.status(), "version 1 met version 9"));

  Handshake dialer = Handshake::dial(job(), kContext);
  (void)dialer.take_output();
  dialer.on_message(refusal(lhUnsupported, "x", 7));
  CHECK(dialer.status().code() == lhUnsupported);
  CHECK(contains(dialer.status(), "version 7"));
  CHECK(dialer.take_output().empty());
}

TEST_CASE("no changed bit goes unnoticed", "[unit][handshake]") {
  Talk reference;
  reference.run();
  REQUIRE(reference.both_done());
  std::size_t flips = 0, accepted = 0;
  for (std::size_t number = 0; number < 4; ++number) {
    for (std::size_t bit = 0; bit < reference.said[number].size() * 8; ++bit) {
      Talk talk;
      talk.run([&](std::size_t i, Message* message) {
        if (i == number) (*message)[bit / 8] ^= static_cast<std::byte>(1u << (bit % 8));
      });
      ++flips;
      if (talk.both_done()) ++accepted;
      // Only the last message comes after the acceptor is satisfied.
      if (number < 3 && talk.acceptor.state() == State::Done) ++accepted;
      if (talk.dialer.state() == State::Done) ++accepted;
    }
  }
  CHECK(flips == 8 * ((7 + 32 + 32 + 2 + kContext.size()) + (7 + 64) + (7 + 32) + (7 + 32)));
  CHECK(accepted == 0);
}

TEST_CASE("no message is accepted cut or extended", "[unit][handshake]") {
  Talk reference;
  reference.run();
  for (std::size_t number = 0; number < 4; ++number) {
    for (std::size_t length = 0; length < reference.said[number].size() + 3; ++length) {
      if (length == reference.said[number].size()) continue;
      Talk talk;
      talk.run([&](std::size_t i, Message* message) {
        if (i == number) message->resize(length);
      });
      INFO("message " << number << " of length " << length);
      CHECK_FALSE(talk.both_done());
      CHECK(talk.dialer.state() != State::Done);
    }
  }
}

TEST_CASE("recordings are worthless", "[unit][handshake]") {
  Talk recorded;
  recorded.run();
  REQUIRE(recorded.both_done());

  SECTION("the dialer's, against a fresh acceptor") {
    Handshake acceptor = Handshake::accept(job());
    acceptor.on_message(recorded.said[0]);
    CHECK(acceptor.state() == State::Pending);
    CHECK_FALSE(acceptor.take_output() == recorded.said[1]);
    acceptor.on_message(recorded.said[2]);
    CHECK(acceptor.state() == State::Failed);
    CHECK(acceptor.status().code() == lhAuthFailed);
  }
  SECTION("the acceptor's, against a fresh dialer") {
    Handshake dialer = Handshake::dial(job(), kContext);
    dialer.on_message(recorded.said[1]);
    CHECK(dialer.state() == State::Failed);
    dialer.on_message(recorded.said[3]);
    CHECK(dialer.state() == State::Failed);
  }
  SECTION("an accepted proof in place of another message") {
    for (std::size_t number = 0; number < 4; ++number) {
      for (const Message& old : recorded.said) {
        Talk talk;
        talk.run([&](std::size_t i, Message* message) {
          if (i == number) *message = old;
        });
        CHECK(talk.dialer.state() != State::Done);
      }
    }
  }
}

TEST_CASE("nothing can be reflected", "[unit][handshake]") {
  SECTION("two dialers") {
    Handshake a = Handshake::dial(job(), kContext), b = Handshake::dial(job(), kContext);
    const Message from_a = a.take_output();
    const Message from_b = b.take_output();
    a.on_message(from_b);
    b.on_message(from_a);
    CHECK(a.state() == State::Failed);
    CHECK(b.state() == State::Failed);
    CHECK(a.take_output().empty());
  }
  SECTION("a dialer's own hello") {
    Handshake dialer = Handshake::dial(job(), kContext);
    dialer.on_message(dialer.take_output());
    CHECK(dialer.state() == State::Failed);
  }
  SECTION("a dialer's own proof as the acceptance") {
    Talk talk;
    talk.acceptor.on_message(talk.dialer.take_output());
    talk.dialer.on_message(talk.acceptor.take_output());
    Message proof = talk.dialer.take_output();
    proof[6] = std::byte{4};  // from Proof to Accepted
    talk.dialer.on_message(proof);
    CHECK(talk.dialer.state() == State::Failed);
    CHECK(talk.dialer.status().code() == lhAuthFailed);
  }
  SECTION("an acceptor's own challenge as the proof") {
    Talk talk;
    talk.acceptor.on_message(talk.dialer.take_output());
    Message challenge = talk.acceptor.take_output();
    Message proof(challenge.begin(), challenge.begin() + 7);
    proof[6] = std::byte{3};
    proof.insert(proof.end(), challenge.end() - 32, challenge.end());
    talk.acceptor.on_message(proof);
    CHECK(talk.acceptor.state() == State::Failed);
    CHECK(talk.acceptor.status().code() == lhAuthFailed);
  }
  SECTION("an acceptor used to answer another acceptor's challenge") {
    Handshake dialer = Handshake::dial(job(), kContext);
    Handshake target = Handshake::accept(job()), tool = Handshake::accept(job());
    const Message hello = dialer.take_output();
    target.on_message(hello);
    tool.on_message(hello);
    const Message challenge = target.take_output(), answer = tool.take_output();
    Message proof(answer.begin(), answer.begin() + 7);
    proof[6] = std::byte{3};
    proof.insert(proof.end(), answer.end() - 32, answer.end());
    target.on_message(proof);
    CHECK(target.state() == State::Failed);
  }
}

TEST_CASE("random bytes never authenticate and never crash", "[unit][handshake]") {
  Random random(5);
  for (int round = 0; round < 4000; ++round) {
    Message noise(random.below(600));
    for (std::byte& b : noise) b = static_cast<std::byte>(random.next());
    if (random.chance(0.7) && noise.size() >= 7) {
      const Message head = bytes_of("LHHS");
      std::copy(head.begin(), head.end(), noise.begin());
      noise[4] = std::byte{1};
      noise[5] = std::byte{0};
      noise[6] = static_cast<std::byte>(random.below(7));
    }
    Handshake acceptor = Handshake::accept(job());
    acceptor.on_message(noise);
    REQUIRE(acceptor.state() == State::Failed);
    Handshake dialer = Handshake::dial(job(), kContext);
    dialer.on_message(noise);
    REQUIRE(dialer.state() == State::Failed);
    Talk talk;
    talk.acceptor.on_message(talk.dialer.take_output());
    talk.acceptor.on_message(noise);
    REQUIRE(talk.acceptor.state() == State::Failed);
  }
}

TEST_CASE("strangers get no answer", "[unit][handshake]") {
  Handshake acceptor = Handshake::accept(job());
  acceptor.on_message(bytes_of("GET / HTTP/1.1\r\n\r\n"));
  CHECK(acceptor.status().code() == lhInvalidUsage);
  CHECK(acceptor.take_output().empty());
}

TEST_CASE("a refusal from an unknown peer is limited", "[unit][handshake]") {
  const auto code = static_cast<std::uint16_t>(GENERATE(0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 19, 20, 21, 40000));
  Handshake dialer = Handshake::dial(job(), kContext);
  (void)dialer.take_output();
  dialer.on_message(refusal(code, "so\x1b[31m\n \xff there"));
  CHECK(dialer.state() == State::Failed);
  const lhResult_t got = dialer.status().code();
  const bool kept =
      code == lhInvalidArgument || code == lhInvalidUsage || code == lhAuthFailed || code == lhUnsupported;
  CHECK(got == (kept ? static_cast<lhResult_t>(code) : lhRemoteError));
  CHECK(contains(dialer.status(), "so?[31m? ? there"));
  CHECK(dialer.take_output().empty());
}

TEST_CASE("a refusal with an overlong text is no refusal", "[unit][handshake]") {
  Handshake dialer = Handshake::dial(job(), kContext);
  dialer.on_message(refusal(lhAuthFailed, std::string(201, 'x')));
  CHECK(dialer.status().code() == lhInvalidUsage);
}

TEST_CASE("the acceptor may refuse a sound caller", "[unit][handshake]") {
  Talk talk;
  talk.acceptor.on_message(talk.dialer.take_output());
  talk.dialer.on_message(talk.acceptor.take_output());
  talk.acceptor.on_message(talk.dialer.take_output());
  REQUIRE(talk.acceptor.state() == State::Done);
  talk.acceptor.refuse(error(lhInvalidArgument, "rank 3 is here already{}", std::string(300, '!')));
  CHECK(talk.acceptor.state() == State::Failed);
  const Message told = talk.acceptor.take_output();
  CHECK(told.size() <= 256);
  talk.dialer.on_message(told);
  CHECK(talk.dialer.state() == State::Failed);
  CHECK(talk.dialer.status().code() == lhInvalidArgument);
  CHECK(contains(talk.dialer.status(), "rank 3 is here already"));
}

TEST_CASE("a failure is final", "[unit][handshake]") {
  Talk talk(job("run-8"), job());
  talk.run();
  const std::string text = talk.acceptor.status().text();
  Handshake other = Handshake::dial(job(), kContext);
  talk.acceptor.on_message(other.take_output());
  CHECK(talk.acceptor.state() == State::Failed);
  CHECK(talk.acceptor.status().text() == text);
  CHECK(talk.acceptor.take_output().empty());
}

TEST_CASE("a context has a limit", "[unit][handshake]") {
  const Message most(kMaxContextBytes), more(kMaxContextBytes + 1);
  CHECK(Handshake::dial(job(), most).state() == State::Pending);
  CHECK(Handshake::dial(job(), more).state() == State::Failed);
  Handshake dialer = Handshake::dial(job(), most);
  Message hello = dialer.take_output();
  hello.push_back(std::byte{0});
  hello[71] = std::byte{65};
  Handshake acceptor = Handshake::accept(job());
  acceptor.on_message(hello);
  CHECK(acceptor.state() == State::Failed);
}
