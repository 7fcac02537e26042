// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/card.h"

#include "bootstrap/messages.h"

namespace longhaul::bootstrap {
namespace {

constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxConfig = 64 * 1024;
constexpr std::uint32_t kMaxSites = 64;
constexpr std::uint32_t kMaxDataPorts = 64;

void put_u64(std::vector<std::byte>* out, std::uint64_t value) {
  put_u32(out, static_cast<std::uint32_t>(value));
  put_u32(out, static_cast<std::uint32_t>(value >> 32));
}

void put_text(std::vector<std::byte>* out, std::string_view text) {
  put_u32(out, static_cast<std::uint32_t>(text.size()));
  put_bytes(out, as_bytes_of(text));
}

/// False where the text is longer than `most` or cut off.
bool get_text(ByteReader* reader, std::size_t most, std::string* text) {
  const std::uint32_t size = reader->u32();
  if (reader->failed() || size > most) return false;
  const ConstBytes bytes = reader->bytes(size);
  text->assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return !reader->failed();
}

bool get_ports(ByteReader* reader, std::vector<std::uint16_t>* ports) {
  const std::uint32_t count = reader->u32();
  if (reader->failed() || count > kMaxDataPorts) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t port = reader->u32();
    if (port > 0xffff) return false;
    ports->push_back(static_cast<std::uint16_t>(port));
  }
  return !reader->failed();
}

/// Everything but config_text.
void put_card(std::vector<std::byte>* out, const RankCard& card) {
  put_u32(out, card.site);
  put_u32(out, card.site_rank);
  put_u64(out, card.instance);
  put_u32(out, card.wan_port);
  put_u32(out, static_cast<std::uint32_t>(card.wan_data_ports.size()));
  for (const std::uint16_t one : card.wan_data_ports) put_u32(out, one);
  put_text(out, card.wan_host);
  put_text(out, card.machine);
  put_text(out, card.local_socket);
}

bool get_card(ByteReader* reader, RankCard* card) {
  card->site = reader->u32();
  card->site_rank = reader->u32();
  card->instance = reader->u64();
  const std::uint32_t port = reader->u32();
  card->wan_port = static_cast<std::uint16_t>(port);
  return port <= 0xffff && get_ports(reader, &card->wan_data_ports) && get_text(reader, kMaxName, &card->wan_host) && get_text(reader, kMaxName, &card->machine) &&
         get_text(reader, kMaxName, &card->local_socket);
}

}  // namespace

Result<std::vector<std::byte>> encode_card(const RankCard& card) {
  for (const std::string* text : {&card.wan_host, &card.machine, &card.local_socket}) {
    if (text->size() > kMaxName)
      return error(lhInvalidArgument, "'{}...' is too long: at most {} bytes", text->substr(0, 40), kMaxName);
  }
  if (card.config_text.size() > kMaxConfig)
    return error(lhInvalidArgument, "the configuration is {} bytes long: at most {}", card.config_text.size(),
                 kMaxConfig);
  if (card.wan_data_ports.size() > kMaxDataPorts)
    return error(lhInvalidArgument, "data comes in at {} ports: at most {}", card.wan_data_ports.size(), kMaxDataPorts);
  std::vector<std::byte> out;
  put_card(&out, card);
  put_text(&out, card.config_text);
  return out;
}

std::optional<RankCard> decode_card(ConstBytes bytes) {
  ByteReader reader(bytes);
  RankCard card;
  if (!get_card(&reader, &card) || !get_text(&reader, kMaxConfig, &card.config_text) || !reader.complete())
    return std::nullopt;
  return card;
}

std::vector<std::byte> encode_site(const std::vector<RankCard>& cards) {
  std::vector<std::byte> out;
  put_text(&out, cards.empty() ? std::string() : cards.front().config_text);
  for (const RankCard& card : cards) put_card(&out, card);
  return out;
}

std::optional<std::vector<RankCard>> decode_site(ConstBytes bytes) {
  ByteReader reader(bytes);
  std::string config_text;
  if (!get_text(&reader, kMaxConfig, &config_text)) return std::nullopt;
  std::vector<RankCard> cards;
  while (!reader.rest().empty()) {
    RankCard card;
    if (!get_card(&reader, &card)) return std::nullopt;
    cards.push_back(std::move(card));
  }
  // The text is copied only once all is sound: a blob of 1 MiB has at most 28,000 cards.
  if (cards.empty() || !reader.complete()) return std::nullopt;
  cards.front().config_text = std::move(config_text);
  return cards;
}

std::vector<std::byte> encode_outcome(const Result<std::vector<std::vector<std::byte>>>& outcome) {
  std::vector<std::byte> out;
  put_u32(&out, outcome.ok() ? 1 : 0);
  if (!outcome.ok()) {
    put_status(&out, outcome.status());
    return out;
  }
  put_u32(&out, static_cast<std::uint32_t>(outcome.value().size()));
  for (const std::vector<std::byte>& blob : outcome.value()) {
    put_u32(&out, static_cast<std::uint32_t>(blob.size()));
    put_bytes(&out, blob);
  }
  return out;
}

Result<std::vector<std::vector<std::byte>>> decode_outcome(ConstBytes bytes) {
  ByteReader reader(bytes);
  if (reader.u32() == 0) {
    if (reader.failed()) return error(lhInternalError, "this site's rank 0 told nothing about the other sites");
    return get_status(&reader);
  }
  const std::uint32_t count = reader.u32();
  std::vector<std::vector<std::byte>> blobs;
  for (std::uint32_t i = 0; i < count && i < kMaxSites; ++i) {
    const ConstBytes blob = reader.bytes(reader.u32());
    blobs.emplace_back(blob.begin(), blob.end());
  }
  if (!reader.complete())
    return error(lhInternalError, "this site's rank 0 told about the other sites in unknown words");
  return blobs;
}

}  // namespace longhaul::bootstrap
