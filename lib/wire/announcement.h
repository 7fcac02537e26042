// SPDX-License-Identifier: Apache-2.0
// Payloads of Announce and Failure messages. Total decoders.
#pragma once

#include <longhaul/longhaul.h>

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace longhaul::wire {

/// The arguments of a call that must be equal on all ranks, as plain numbers (a peer may send any).
struct Announcement {
  std::uint8_t collective = 0;
  std::uint8_t type = 0;
  std::uint8_t op = 0;
  std::uint8_t codec = 0;
  std::uint8_t scope = 0;
  std::uint32_t root = 0;
  std::uint64_t count = 0;
  std::uint32_t plugin = 0;  ///< digest of what a plug-in codec declares
  std::uint64_t number = 0;  ///< of the call: lhCommSetCallCount
  bool operator==(const Announcement&) const = default;

  /// XXH3-64 of the encoded form; carried by every message of the call.
  std::uint64_t signature() const;
};

constexpr std::size_t kAnnouncementBytes = 29;
void encode(const Announcement& announcement, ByteWriter* writer);
std::optional<Announcement> decode_announcement(ConstBytes bytes);

/// Why a communicator failed, told to the other ranks. The text is cut to kMaxFailureText bytes; non-printable bytes become '?'.
struct FailureNotice {
  lhResult_t code = lhRemoteError;
  std::uint32_t origin = 0;  ///< global rank that decided it
  std::string text;
};

constexpr std::size_t kMaxFailureText = 900;
constexpr std::size_t kMaxFailureBytes = kMaxFailureText + 16;
void encode(const FailureNotice& notice, ByteWriter* writer);
std::optional<FailureNotice> decode_failure(ConstBytes bytes);

}  // namespace longhaul::wire
