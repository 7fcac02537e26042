// SPDX-License-Identifier: Apache-2.0
// How two doctors talk: every connection begins with the handshake of the library's ranks (security/handshake.h; frames of u32 length and
// bytes, little-endian), whose context says what is asked for. A rank that comes here by mistake, or a doctor at a rank, is
// refused in words both understand. Then come bytes as `Ask` says. Blocking, IPv4.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/status.h"
#include "config/config.h"
#include "security/handshake.h"

namespace longhaul::doctor {

enum class Ask : std::uint32_t {
  Echo = 1,     ///< every 8 bytes come back with the peer's clocks (echo.h)
  Take = 2,     ///< reads until the end
  Give = 3,     ///< sends zeros, then what its TCP knows of them (flow.h)
  Facts = 4,    ///< the peer's Facts, one message
  Control = 5,  ///< messages between the coordinator and another site (coordinator.h), whoever dialled
};

struct Request {
  Ask what = Ask::Echo;
  std::uint32_t milliseconds = 0;  ///< Give: for so long
  std::uint64_t bits_per_s = 0;    ///< Give: pace; 0: none
  std::uint32_t site = 0;          ///< who asks
  std::uint64_t instance = 0;      ///< random number of the asking process
};

/// What this end is on all its connections.
struct Self {
  security::Credentials credentials;  ///< without a secret anybody may ask
  std::string congestion = "auto";    ///< as the key wan.congestion
  std::uint32_t site = 0;
  std::uint64_t instance = 0;
};

/// "bbr", or what else connections get with that value of wan.congestion.
std::string congestion_used(const std::string& wanted);

/// Connects and asks. 5 s at most for each step. lhAuthFailed where the secret or the run differs.
Result<Fd> ask(const Self& self, const config::HostPort& peer, Request request);
/// The same `count` times at once.
Result<std::vector<Fd>> ask(const Self& self, const config::HostPort& peer, const Request& request, int count);
/// The other end of ask(). lhAuthFailed, lhUnsupported, lhInvalidArgument: a doctor or a rank that may not; anything else: a stranger.
Result<Request> hear(const Self& self, const Fd& socket);

/// All of it, or the error. Ends of file are errors.
Status read_all(const Fd& socket, Bytes bytes);
Status write_all(const Fd& socket, ConstBytes bytes);
/// Steps that take longer than so many seconds fail; 0: they wait for as long as the other machine is there.
void set_patience(const Fd& socket, int seconds);

Status send_message(const Fd& socket, const nlohmann::json& message);
/// An object of at most 4 MiB.
Result<nlohmann::json> receive_message(const Fd& socket);

}  // namespace longhaul::doctor
