// SPDX-License-Identifier: Apache-2.0
// Mutual authentication of two processes of one job under the job secret, sans-IO: messages in, messages out. Nothing
// else is parsed on a connection before it is done. Both sides prove the secret by HMAC-SHA256 (RFC 2104; OpenSSL) over
// a transcript with fresh 32-byte challenges of both, so recordings are worthless. It authenticates; it does not
// encrypt.
//
//   dialer                                   acceptor
//   Hello(nonce, run, context)     ------->  Pending
//                                  <-------  Challenge(nonce, proof)
//   Proof(proof)                   ------->  Done
//   Done                           <-------  Accepted(proof)
//   either side, at any time       ------->  Refused(code, text), then State::Failed
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace longhaul::security {

constexpr std::size_t kMaxHandshakeBytes = 512;
constexpr std::size_t kMaxContextBytes = 64;

struct Credentials {
  std::string run_id;
  std::vector<std::byte> secret;  ///< empty: only the run id is compared
  ~Credentials();                 ///< wipes the secret
};

class Handshake {
 public:
  enum class State { Pending, Done, Failed };

  /// `context` says who calls and for what; authenticated, readable by the acceptor.
  static Handshake dial(const Credentials& credentials, ConstBytes context);
  static Handshake accept(const Credentials& credentials);

  /// What to send next; empty when there is nothing. Each message is returned once; call after construction and after
  /// every on_message (also after one that failed: the refusal is for the peer).
  std::vector<std::byte> take_output();
  /// Total over any bytes of any length. A failure is final: lhAuthFailed (secret, run id), lhUnsupported (version),
  /// lhInvalidUsage (not a handshake message: a stranger), or what the peer's refusal says.
  void on_message(ConstBytes message);
  /// The acceptor may refuse the context of a handshake that is otherwise sound; the peer gets code and text.
  void refuse(const Status& why);

  State state() const { return state_; }
  const Status& status() const { return status_; }
  /// The dialer's context; at the acceptor valid once Done.
  ConstBytes context() const { return context_; }
  /// Equal at both ends once Done, derived from the transcript; names the connection in frames.
  std::uint64_t session_id() const { return session_id_; }

 private:
  enum class Step { AwaitHello, AwaitChallenge, AwaitProof, AwaitAccepted, Finished };
  using Nonce = std::array<std::byte, 32>;
  using Mac = std::array<std::byte, 32>;

  explicit Handshake(const Credentials& credentials) : credentials_(credentials) {}
  void on_hello(ConstBytes message);
  void on_challenge(ConstBytes message);
  void on_proof(ConstBytes message);
  void on_accepted(ConstBytes message);
  void on_refused(ConstBytes message);
  void fail(Status status, bool tell_peer);
  /// nullopt where OpenSSL cannot: nothing is ever accepted then.
  std::optional<Mac> proof(std::string_view label) const;
  bool proves(std::string_view label, ConstBytes received) const;
  bool finish();

  Credentials credentials_;
  Step step_ = Step::AwaitHello;
  State state_ = State::Pending;
  Status status_;
  std::vector<std::byte> context_;
  std::vector<std::byte> transcript_;  // hello and both nonces, as sent
  std::vector<std::byte> output_;
  std::uint64_t session_id_ = 0;
};

}  // namespace longhaul::security
