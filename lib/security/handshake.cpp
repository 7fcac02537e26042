// SPDX-License-Identifier: Apache-2.0
// Every message: "LHHS", version u16, type u8, fields; little-endian, nothing after the last field.
//   Hello      nonce[32], SHA-256 of the run id [32], context (u16 length, bytes)
//   Challenge  nonce[32], HMAC("longhaul acceptor" | transcript)[32]
//   Proof      HMAC("longhaul dialer" | transcript)[32]
//   Accepted   HMAC("longhaul accepted" | transcript)[32]
//   Refused    code u16, text (u16 length, bytes)
// The transcript is the Hello as sent and the acceptor's nonce. Each proof has its own label, so none serves as
// another.
#include "security/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>

#include "security/printable.h"

namespace longhaul::security {
namespace {

constexpr std::string_view kMagic = "LHHS";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHashBytes = 32;
constexpr std::size_t kMaxRefusalText = 200;

constexpr std::string_view kAcceptorLabel = "longhaul acceptor";
constexpr std::string_view kDialerLabel = "longhaul dialer";
constexpr std::string_view kAcceptedLabel = "longhaul accepted";
constexpr std::string_view kSessionLabel = "longhaul session";

constexpr std::string_view kSecretDiffers = "the secret differs: give every rank the same secret_file";
constexpr std::string_view kRunIdDiffers = "the run id differs: give every rank the same run_id";

enum class Type : std::uint8_t { Hello = 1, Challenge = 2, Proof = 3, Accepted = 4, Refused = 5 };

using Hash = std::array<std::byte, kHashBytes>;

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }

template <std::size_t N>
bool random_bytes(std::array<std::byte, N>* out) {
  return RAND_bytes(raw(out->data()), static_cast<int>(N)) == 1;
}

bool hash_of(const std::string& text, Hash* out) {
  return EVP_Digest(text.data(), text.size(), raw(out->data()), nullptr, EVP_sha256(), nullptr) == 1;
}

bool same(ConstBytes a, ConstBytes b) {
  return a.size() == b.size() && !a.empty() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

ByteWriter start(Type type, Bytes memory) {
  ByteWriter writer(memory);
  writer.bytes(as_bytes_of(kMagic));
  writer.u16(kVersion);
  writer.u8(static_cast<std::uint8_t>(type));
  return writer;
}

std::vector<std::byte> copy(ConstBytes bytes) { return {bytes.begin(), bytes.end()}; }

/// What an unauthenticated peer may make of this side.
lhResult_t refusal_code(std::uint16_t code) {
  constexpr std::array kAllowed{lhAuthFailed, lhUnsupported, lhInvalidArgument, lhInvalidUsage};
  const auto* found = std::find_if(kAllowed.begin(), kAllowed.end(),
                                   [&](lhResult_t known) { return static_cast<std::uint32_t>(known) == code; });
  return found == kAllowed.end() ? lhRemoteError : *found;
}

Status no_crypto() { return error(lhSystemError, "OpenSSL gives no random numbers or no SHA-256: check its setup"); }
Status stranger() { return error(lhInvalidUsage, "not the handshake of a longhaul rank"); }

using Memory = std::array<std::byte, kMaxHandshakeBytes>;

}  // namespace

Credentials::~Credentials() {
  if (!secret.empty()) OPENSSL_cleanse(secret.data(), secret.size());
}

Handshake Handshake::dial(const Credentials& credentials, ConstBytes context) {
  Handshake self(credentials);
  self.step_ = Step::AwaitChallenge;
  Nonce nonce;
  Hash run;
  if (context.size() > kMaxContextBytes) {
    self.fail(error(lhInternalError, "a handshake context of {} bytes: at most {}", context.size(), kMaxContextBytes),
              false);
  } else if (!random_bytes(&nonce) || !hash_of(credentials.run_id, &run)) {
    self.fail(no_crypto(), false);
  } else {
    self.context_ = copy(context);
    Memory memory;
    ByteWriter writer = start(Type::Hello, memory);
    writer.bytes(nonce);
    writer.bytes(run);
    writer.u16(static_cast<std::uint16_t>(context.size()));
    writer.bytes(context);
    self.output_ = copy(writer.written());
    self.transcript_ = self.output_;
  }
  return self;
}

Handshake Handshake::accept(const Credentials& credentials) { return Handshake(credentials); }

std::vector<std::byte> Handshake::take_output() { return std::exchange(output_, {}); }

void Handshake::on_message(ConstBytes message) {
  if (state_ == State::Failed) return;
  if (message.size() > kMaxHandshakeBytes) return fail(stranger(), false);
  ByteReader reader(message);
  const ConstBytes magic = reader.bytes(kMagic.size());
  const std::uint16_t version = reader.u16();
  const auto type = static_cast<Type>(reader.u8());
  const ConstBytes expected = as_bytes_of(kMagic);
  if (reader.failed() || !std::equal(magic.begin(), magic.end(), expected.begin(), expected.end()))
    return fail(stranger(), false);
  if (version != kVersion) {
    // A refusal is never answered with a refusal: two versions would talk for ever.
    return fail(error(lhUnsupported, "handshake version {} met version {}: use the same longhaul at every rank",
                      kVersion, version),
                type != Type::Refused);
  }
  const ConstBytes fields = reader.rest();
  if (type == Type::Refused && state_ == State::Pending) return on_refused(fields);
  if (type == Type::Hello && step_ == Step::AwaitHello) return on_hello(message);
  if (type == Type::Challenge && step_ == Step::AwaitChallenge) return on_challenge(fields);
  if (type == Type::Proof && step_ == Step::AwaitProof) return on_proof(fields);
  if (type == Type::Accepted && step_ == Step::AwaitAccepted) return on_accepted(fields);
  fail(error(lhInvalidUsage, "handshake message {} came out of turn", static_cast<unsigned>(type)), false);
}

void Handshake::on_hello(ConstBytes message) {
  ByteReader reader(message);
  reader.bytes(kMagic.size() + 3);
  reader.bytes(sizeof(Nonce));
  const ConstBytes their_run = reader.bytes(kHashBytes);
  const std::uint16_t context_bytes = reader.u16();
  const ConstBytes context = reader.bytes(context_bytes);
  if (!reader.complete() || context_bytes > kMaxContextBytes) return fail(stranger(), false);

  Nonce nonce;
  Hash run;
  if (!random_bytes(&nonce) || !hash_of(credentials_.run_id, &run)) return fail(no_crypto(), false);
  if (!same(run, their_run)) return fail(Status(lhAuthFailed, std::string(kRunIdDiffers)), true);

  transcript_ = copy(message);
  transcript_.insert(transcript_.end(), nonce.begin(), nonce.end());
  const std::optional<Mac> mine = proof(kAcceptorLabel);
  if (!mine) return fail(no_crypto(), false);
  context_ = copy(context);
  Memory memory;
  ByteWriter writer = start(Type::Challenge, memory);
  writer.bytes(nonce);
  writer.bytes(*mine);
  output_ = copy(writer.written());
  step_ = Step::AwaitProof;
}

void Handshake::on_challenge(ConstBytes message) {
  ByteReader reader(message);
  const ConstBytes nonce = reader.bytes(sizeof(Nonce));
  const ConstBytes theirs = reader.bytes(sizeof(Mac));
  if (!reader.complete()) return fail(stranger(), false);
  transcript_.insert(transcript_.end(), nonce.begin(), nonce.end());
  if (!proves(kAcceptorLabel, theirs)) return fail(Status(lhAuthFailed, std::string(kSecretDiffers)), true);
  const std::optional<Mac> mine = proof(kDialerLabel);
  if (!mine) return fail(no_crypto(), false);
  Memory memory;
  ByteWriter writer = start(Type::Proof, memory);
  writer.bytes(*mine);
  output_ = copy(writer.written());
  step_ = Step::AwaitAccepted;
}

void Handshake::on_proof(ConstBytes message) {
  if (message.size() != sizeof(Mac)) return fail(stranger(), false);
  if (!proves(kDialerLabel, message)) return fail(Status(lhAuthFailed, std::string(kSecretDiffers)), true);
  const std::optional<Mac> mine = proof(kAcceptedLabel);
  if (!mine || !finish()) return fail(no_crypto(), false);
  Memory memory;
  ByteWriter writer = start(Type::Accepted, memory);
  writer.bytes(*mine);
  output_ = copy(writer.written());
}

void Handshake::on_accepted(ConstBytes message) {
  if (message.size() != sizeof(Mac)) return fail(stranger(), false);
  if (!proves(kAcceptedLabel, message)) return fail(Status(lhAuthFailed, std::string(kSecretDiffers)), true);
  if (!finish()) fail(no_crypto(), false);
}

void Handshake::on_refused(ConstBytes message) {
  ByteReader reader(message);
  const std::uint16_t code = reader.u16();
  const std::string_view text = reader.text();
  if (!reader.complete() || text.size() > kMaxRefusalText) return fail(stranger(), false);
  fail(error(refusal_code(code), "refused by the other side: {}", printable(text, kMaxRefusalText)), false);
}

void Handshake::refuse(const Status& why) {
  if (state_ != State::Failed) fail(why, true);
}

void Handshake::fail(Status status, bool tell_peer) {
  output_.clear();
  if (tell_peer) {
    Memory memory;
    ByteWriter writer = start(Type::Refused, memory);
    writer.u16(static_cast<std::uint16_t>(status.code()));
    writer.text(std::string_view(status.text()).substr(0, kMaxRefusalText));
    output_ = copy(writer.written());
  }
  status_ = std::move(status);
  state_ = State::Failed;
  step_ = Step::Finished;
}

std::optional<Handshake::Mac> Handshake::proof(std::string_view label) const {
  std::vector<std::byte> data = copy(as_bytes_of(label));
  data.insert(data.end(), transcript_.begin(), transcript_.end());
  // An empty secret is an empty key: the proofs then only bind the transcript. HMAC() wants a pointer all the same.
  static constexpr std::byte kEmptyKey{};
  const std::byte* key = credentials_.secret.empty() ? &kEmptyKey : credentials_.secret.data();
  Mac mac;
  unsigned size = 0;
  const bool done = HMAC(EVP_sha256(), key, static_cast<int>(credentials_.secret.size()), raw(data.data()), data.size(),
                         raw(mac.data()), &size) != nullptr;
  if (!done || size != mac.size()) return std::nullopt;
  return mac;
}

bool Handshake::proves(std::string_view label, ConstBytes received) const {
  const std::optional<Mac> expected = proof(label);
  return expected && same(*expected, received);
}

bool Handshake::finish() {
  const std::optional<Mac> session = proof(kSessionLabel);
  if (!session) return false;
  session_id_ = ByteReader(*session).u64();
  step_ = Step::Finished;
  state_ = State::Done;
  return true;
}

}  // namespace longhaul::security
