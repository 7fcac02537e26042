// SPDX-License-Identifier: Apache-2.0
// Little-endian fields through base/bytes.h.
#include "bootstrap/messages.h"

#include <algorithm>
#include <array>

#include "security/printable.h"

namespace longhaul::bootstrap {
namespace {

constexpr std::size_t kMaxText = 4000;
constexpr std::size_t kMaxMissing = 1024;
constexpr std::size_t kMaxNamed = 16;

std::vector<std::byte> started(Message::Kind kind) { return {static_cast<std::byte>(kind)}; }

/// What another rank's failure is to this one.
lhResult_t code_of(std::uint32_t code) {
  constexpr std::array kKept{lhInvalidArgument, lhInvalidUsage, lhRemoteError, lhTimeout, lhAuthFailed, lhUnsupported};
  const auto* found = std::find_if(kKept.begin(), kKept.end(),
                                   [&](lhResult_t known) { return static_cast<std::uint32_t>(known) == code; });
  return found == kKept.end() ? lhRemoteError : *found;
}

}  // namespace

std::vector<std::byte> encode(const Caller& caller) {
  std::vector<std::byte> out{static_cast<std::byte>(caller.purpose)};
  put_u32(&out, caller.site);
  put_u32(&out, caller.rank);
  put_u32(&out, caller.count);
  return out;
}

std::optional<Caller> decode_caller(ConstBytes context) {
  ByteReader reader(context);
  Caller caller;
  caller.purpose = static_cast<Purpose>(reader.u8());
  caller.site = reader.u32();
  caller.rank = reader.u32();
  caller.count = reader.u32();
  const bool known = caller.purpose == Purpose::Join || caller.purpose == Purpose::Leaders;
  if (!reader.complete() || !known) return std::nullopt;
  return caller;
}

void put_u32(std::vector<std::byte>* out, std::uint32_t value) {
  std::array<std::byte, 4> bytes;
  ByteWriter(bytes).u32(value);
  put_bytes(out, bytes);
}

void put_bytes(std::vector<std::byte>* out, ConstBytes bytes) { out->insert(out->end(), bytes.begin(), bytes.end()); }

void put_status(std::vector<std::byte>* out, const Status& status) {
  const std::string_view text = std::string_view(status.text()).substr(0, kMaxText);
  put_u32(out, static_cast<std::uint32_t>(status.code()));
  put_u32(out, static_cast<std::uint32_t>(text.size()));
  put_bytes(out, as_bytes_of(text));
}

Status get_status(ByteReader* reader) {
  const lhResult_t code = code_of(reader->u32());
  const ConstBytes text = reader->bytes(reader->u32());
  return {code, security::printable({reinterpret_cast<const char*>(text.data()), text.size()}, kMaxText, true)};
}

std::vector<std::byte> encode_blob(std::uint32_t round, std::uint32_t rank, ConstBytes blob) {
  std::vector<std::byte> out = started(Message::Kind::Blob);
  put_u32(&out, round);
  put_u32(&out, rank);
  put_bytes(&out, blob);
  return out;
}

std::vector<std::byte> encode_status(Message::Kind kind, const Status& status) {
  std::vector<std::byte> out = started(kind);
  put_status(&out, status);
  return out;
}

std::vector<std::byte> encode_missing(const std::vector<int>& ranks) {
  std::vector<std::byte> out = started(Message::Kind::Missing);
  for (std::size_t i = 0; i < std::min(ranks.size(), kMaxMissing); ++i)
    put_u32(&out, static_cast<std::uint32_t>(ranks[i]));
  return out;
}

std::optional<Message> decode_message(ConstBytes bytes) {
  ByteReader reader(bytes);
  Message message;
  message.kind = static_cast<Message::Kind>(reader.u8());
  switch (message.kind) {
    case Message::Kind::Blob: {
      message.round = reader.u32();
      message.rank = reader.u32();
      const ConstBytes blob = reader.bytes(reader.rest().size());
      message.blob.assign(blob.begin(), blob.end());
      break;
    }
    case Message::Kind::Notice:
    case Message::Kind::Failure:
      message.status = get_status(&reader);
      break;
    case Message::Kind::Missing:
      while (!reader.rest().empty() && !reader.failed() && message.missing.size() < kMaxMissing)
        message.missing.push_back(static_cast<int>(reader.u32() & 0x7fffffffu));
      break;
    default:
      return std::nullopt;
  }
  if (!reader.complete()) return std::nullopt;
  return message;
}

std::string ranks_text(const std::vector<int>& ranks) {
  std::string text = ranks.size() == 1 ? "rank " : "ranks ";
  for (std::size_t i = 0; i < std::min(ranks.size(), kMaxNamed); ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
  if (ranks.size() > kMaxNamed) text += " and " + std::to_string(ranks.size() - kMaxNamed) + " more";
  return text;
}

}  // namespace longhaul::bootstrap
