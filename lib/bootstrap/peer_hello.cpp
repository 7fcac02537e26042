// SPDX-License-Identifier: Apache-2.0
// See the header. Before Ready nothing but handshake messages of at most 512 bytes is read.
#include "bootstrap/peer_hello.h"

namespace longhaul::bootstrap {

using security::Handshake;

PeerHello::PeerHello(Fd socket, Handshake handshake, State state, TimeNs now)
    : socket_(std::move(socket), security::kMaxHandshakeBytes),
      handshake_(std::move(handshake)),
      state_(state),
      started_(now) {}

std::unique_ptr<PeerHello> PeerHello::dial(Fd socket, const security::Credentials& credentials, ConstBytes context,
                                           TimeNs now) {
  return std::make_unique<PeerHello>(std::move(socket), Handshake::dial(credentials, context), State::Connecting, now);
}

std::unique_ptr<PeerHello> PeerHello::accept(Accepted caller, const security::Credentials& credentials, TimeNs now) {
  auto self =
      std::make_unique<PeerHello>(std::move(caller.socket), Handshake::accept(credentials), State::Greeting, now);
  self->from_ = std::move(caller.from);
  return self;
}

void PeerHello::step(const Poller& poller, TimeNs now) {
  if (state_ == State::Failed) return;
  if (state_ == State::Connecting) {
    const std::optional<int> result = connect_result(socket_.fd());
    if (result && *result != 0) return fail({lhSystemError, errno_text(*result)});
    if (result) {
      state_ = State::Greeting;
      send_output();
      if (handshake_.state() == Handshake::State::Failed) return fail(handshake_.status());
    }
  }
  socket_.step(poller);
  if (state_ == State::Greeting) greet();
  if (state_ == State::Ready || state_ == State::Failed || now - started_ < kHelloLimit) return;
  fail({lhTimeout, state_ == State::Connecting ? "no answer" : "it accepts connections, but does not speak"});
}

void PeerHello::greet() {
  while (state_ == State::Greeting) {
    const std::optional<std::vector<std::byte>> message = socket_.receive();
    if (!message) break;
    handshake_.on_message(*message);
    if (handshake_.state() == Handshake::State::Failed) {
      send_output();
      return fail(handshake_.status());
    }
    heard_ = true;
    if (handshake_.state() == Handshake::State::Pending) {
      send_output();
    } else if (from_.empty()) {
      admit();
    } else {
      state_ = State::Asking;  // Accepted stays unsent until the owner knows the caller
    }
  }
  if (state_ == State::Greeting && !socket_.open()) fail({lhSystemError, socket_.problem()});
}

void PeerHello::admit() {
  send_output();
  socket_.set_limit(kMaxMessageBytes);
  state_ = State::Ready;
}

void PeerHello::refuse(const Status& why) {
  handshake_.refuse(why);
  send_output();
  fail(why);
}

void PeerHello::send_output() {
  const std::vector<std::byte> output = handshake_.take_output();
  if (!output.empty()) socket_.send(output);
}

void PeerHello::fail(Status why) {
  status_ = std::move(why);
  state_ = State::Failed;
}

void PeerHello::want(Poller* poller) const {
  if (state_ == State::Connecting) return poller->want(socket_.fd().get(), false, true);
  if (state_ != State::Failed) socket_.want(poller);
}

}  // namespace longhaul::bootstrap
