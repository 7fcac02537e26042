// SPDX-License-Identifier: Apache-2.0
// What authenticated ranks say to each other during the bring-up. Total over any bytes: authenticated is not
// infallible.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace longhaul::bootstrap {

enum class Purpose : std::uint8_t { Join = 1, Leaders = 2 };  // 3 and 4 belong to the engine's links

/// The authenticated context of a handshake: who calls, and for what.
struct Caller {
  Purpose purpose = Purpose::Join;
  std::uint32_t site = 0;
  std::uint32_t rank = 0;   ///< siteRank
  std::uint32_t count = 0;  ///< Join: site size; Leaders: number of sites
};
std::vector<std::byte> encode(const Caller& caller);
std::optional<Caller> decode_caller(ConstBytes context);

struct Message {
  enum class Kind : std::uint8_t {
    Blob = 1,     ///< rank's contribution to the given round; rank is the site in the leaders' exchange
    Notice = 2,   ///< what the sender would say if its time were up now
    Failure = 3,  ///< the bring-up has failed
    Missing = 4   ///< ranks of the sender's site that have not come yet
  };
  Kind kind = Kind::Blob;
  std::uint32_t round = 0;
  std::uint32_t rank = 0;
  std::vector<std::byte> blob;
  Status status;
  std::vector<int> missing;
};

std::vector<std::byte> encode_blob(std::uint32_t round, std::uint32_t rank, ConstBytes blob);
std::vector<std::byte> encode_status(Message::Kind kind, const Status& status);
std::vector<std::byte> encode_missing(const std::vector<int>& ranks);
std::optional<Message> decode_message(ConstBytes bytes);

/// Code and text inside a larger blob.
void put_status(std::vector<std::byte>* out, const Status& status);
/// Never ok(): a code that makes no sense from another rank becomes lhRemoteError, the text is made printable.
Status get_status(ByteReader* reader);

/// Appends fields to a growing vector.
void put_u32(std::vector<std::byte>* out, std::uint32_t value);
void put_bytes(std::vector<std::byte>* out, ConstBytes bytes);

/// "rank 2" or "ranks 1, 3, 5 and 7 more".
std::string ranks_text(const std::vector<int>& ranks);

}  // namespace longhaul::bootstrap
