// SPDX-License-Identifier: Apache-2.0
// Any bytes as handshake messages, to an acceptor and to a dialer: never Done without the secret.
#include <cstdint>
#include <cstdlib>

#include "security/handshake.h"

using namespace longhaul;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const security::Credentials credentials{"fuzz", std::vector<std::byte>(32, std::byte{7})};
  auto acceptor = security::Handshake::accept(credentials);
  auto dialer = security::Handshake::dial(credentials, {});
  (void)dialer.take_output();
  for (std::size_t at = 0; at < size;) {
    const std::size_t length = data[at] < size - at - 1 ? data[at] : size - at - 1;
    const ConstBytes message(reinterpret_cast<const std::byte*>(data) + at + 1, length);
    acceptor.on_message(message);
    dialer.on_message(message);
    (void)acceptor.take_output();
    (void)dialer.take_output();
    at += length + 1;
  }
  if (acceptor.state() == security::Handshake::State::Done || dialer.state() == security::Handshake::State::Done) std::abort();
  return 0;
}
