// SPDX-License-Identifier: Apache-2.0
// What a rank says when it dials another rank of its machine: who it is, that it belongs to the job, and the shared
// memory of the channel (as a file descriptor beside the bytes). Layout, little endian:
//   u32 magic, u32 version, 16 bytes token, u32 rank, u32 reserved, u64 max_payload, u64 memory_bytes
// The answer is one byte, kHelloAccepted; a closed socket says no.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/fd.h"

namespace longhaul::site {

/// 16 bytes that all ranks of a job know and other users of the machine do not.
using JobToken = std::array<std::byte, 16>;

struct LocalHello {
  JobToken token{};
  std::uint32_t rank = 0;
  std::uint64_t max_payload = 0;
  std::uint64_t memory_bytes = 0;
};

constexpr std::size_t kLocalHelloBytes = 48;
constexpr char kHelloAccepted = 'A';

std::array<std::byte, kLocalHelloBytes> encode(const LocalHello& hello);
/// Total; empty where magic, version or length is another.
std::optional<LocalHello> decode_local_hello(ConstBytes bytes);

/// Sends a hello and the file with it; false where the socket did not take it whole.
bool send_hello(int socket, const LocalHello& hello, int memory_file);

/// Gathers a hello from a non-blocking socket, however it is cut into pieces.
class HelloReceiver {
 public:
  enum class State {
    Incomplete,
    Complete,  ///< hello() and memory_file() are there
    Bad,       ///< closed early, not a hello, or not exactly one file with it
  };

  State receive(int socket);
  const LocalHello& hello() const { return hello_; }
  const Fd& memory_file() const { return memory_file_; }

 private:
  std::array<std::byte, kLocalHelloBytes> buffer_{};
  std::size_t used_ = 0;
  int files_ = 0;
  Fd memory_file_;
  LocalHello hello_;
};

}  // namespace longhaul::site
