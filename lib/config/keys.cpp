// SPDX-License-Identifier: Apache-2.0
// Setters, getters and limits of the [wan] keys.
#include "config/keys.h"

#include <algorithm>
#include <array>
#include <vector>

#include "codec/codec.h"
#include "config/environment.h"
#include "config/suggest.h"
#include "config/units.h"

namespace longhaul::config {
namespace {

constexpr std::uint64_t kKiB = 1 << 10;
constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kMinChunk = 64 * kKiB;
constexpr std::uint64_t kMaxChunk = 16 * kMiB;
constexpr std::uint64_t kMinWindowChunks = 4;  // fewer cannot keep a link busy while acknowledgements travel
constexpr std::uint64_t kMaxWindow = 16 * 1024 * kMiB;
constexpr int kMaxStreams = 16;
constexpr std::uint64_t kMinStaging = kMiB;
constexpr std::uint64_t kMaxStaging = 16 * 1024 * kMiB;
constexpr int kMaxCtas = 64;
constexpr TimeNs kMinTimeout = 100 * kMillisecond;
constexpr TimeNs kMaxEmulatedRtt = 60 * kSecond;

// Puts a parsed value into its field.
template <typename T, typename Field>
Status store(Result<T> parsed, Field* field) {
  if (!parsed.ok()) return parsed.take_status();
  *field = *parsed;
  return {};
}

bool means_automatic(std::string_view text) { return trimmed(text) == "auto"; }

std::string automatic_or(std::uint64_t value) { return value == 0 ? "auto" : std::to_string(value); }

Status set_codec(std::string_view text, Wan* wan) {
  std::vector<std::string_view> known{codec::name_of(lhCodecNone)};
  for (const codec::Codec& codec : codec::all()) known.push_back(codec.name);
  const std::string_view name = trimmed(text);
  const auto id = codec::parse(name);
  if (!id) return error(lhInvalidArgument, "unknown codec {}{}", in_quotes(name), did_you_mean(name, known));
  wan->codec = *id;
  return {};
}

Status set_min_compress_bytes(std::string_view text, Wan* wan) {
  return store(parse_bytes(text), &wan->min_compress_bytes);
}

Status set_streams(std::string_view text, Wan* wan) {
  if (means_automatic(text)) text = "0";
  return store(parse_int(text, 0, kMaxStreams), &wan->streams);
}

Status set_chunk(std::string_view text, Wan* wan) {
  std::uint64_t bytes = 0;
  Status status = means_automatic(text) ? Status() : store(parse_bytes(text), &bytes);
  if (status.ok() && bytes != 0 && (bytes < kMinChunk || bytes > kMaxChunk)) {
    return error(lhInvalidArgument, "{} is outside 64KiB to 16MiB (0 or auto: automatic)", in_quotes(text));
  }
  wan->chunk_bytes = bytes;
  return status;
}

Status set_window(std::string_view text, Wan* wan) {
  std::uint64_t bytes = 0;
  Status status = means_automatic(text) ? Status() : store(parse_bytes(text), &bytes);
  if (status.ok() && bytes != 0 && (bytes < kMinWindowChunks * kMinChunk || bytes > kMaxWindow)) {
    return error(lhInvalidArgument, "{} is outside 256KiB to 16GiB (0 or auto: automatic)", in_quotes(text));
  }
  wan->window_bytes = bytes;
  return status;
}

Status set_feedback_memory(std::string_view text, Wan* wan) { return store(parse_bytes(text), &wan->feedback_memory); }

Status set_timeout(std::string_view text, Wan* wan) {
  TimeNs value = 0;
  Status status = store(parse_duration(text), &value);
  if (status.ok() && value < kMinTimeout)
    return error(lhInvalidArgument, "{} is too short: at least 100ms", in_quotes(text));
  if (status.ok()) wan->timeout_ns = value;
  return status;
}

Status set_ride_through(std::string_view text, Wan* wan) { return store(parse_duration(text), &wan->ride_through_ns); }

Status set_rate_limit(std::string_view text, Wan* wan) {
  if (trimmed(text) == "none") text = "0";
  return store(parse_rate(text), &wan->rate_limit_bits_per_s);
}

Status set_congestion(std::string_view text, Wan* wan) {
  const std::string_view word = trimmed(text);
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
  if (word.empty() || word.size() > 15 || !plain)
    return error(lhInvalidArgument, "{} is no congestion control: write auto, system, or a name such as bbr or cubic", in_quotes(word));
  wan->congestion = word;
  return {};
}

Status set_staging(std::string_view text, Wan* wan) {
  std::uint64_t bytes = 0;
  Status status = store(parse_bytes(text), &bytes);
  if (status.ok() && (bytes < kMinStaging || bytes > kMaxStaging)) return error(lhInvalidArgument, "{} is outside 1MiB to 16GiB", in_quotes(text));
  wan->staging_bytes = bytes;
  return status;
}

Status set_nccl_ctas(std::string_view text, Wan* wan) {
  if (means_automatic(text)) text = "0";
  return store(parse_int(text, 0, kMaxCtas), &wan->nccl_ctas);
}

Status set_nccl_traffic_class(std::string_view text, Wan* wan) {
  if (trimmed(text) == "none") text = "-1";
  return store(parse_int(text, -1, 255), &wan->nccl_traffic_class);
}

constexpr std::array<std::string_view, 3> kIdle{"park", "yield", "spin"};  // by Idle

Status set_idle(std::string_view text, Wan* wan) {
  const std::string_view word = trimmed(text);
  const auto found = std::find(kIdle.begin(), kIdle.end(), word);
  if (found == kIdle.end()) return error(lhInvalidArgument, "{} is none of park, yield and spin{}", in_quotes(word), did_you_mean(word, kIdle));
  wan->idle = static_cast<Idle>(found - kIdle.begin());
  return {};
}

Status set_hedge(std::string_view text, Wan* wan) {
  const std::string_view word = trimmed(text);
  if (word != "on" && word != "off") return error(lhInvalidArgument, "{} is neither on nor off", in_quotes(word));
  wan->hedge = word == "on";
  return {};
}

Status set_encryption(std::string_view text, Wan* wan) {
  static constexpr std::array<std::string_view, 4> kKnown{"off", "aes-256-gcm", "aes-128-gcm", "chacha20-poly1305"};
  const std::string_view word = trimmed(text);
  if (word == "off") {
    wan->encryption_off_explicit = true;
    return {};
  }
  for (std::string_view known : kKnown) {
    if (word != known) continue;
    return error(
        lhUnsupported,
        "encryption {} is not in this version: write encryption=off and let the network encrypt (WireGuard, IPsec, "
        "MACsec); secret_file still authenticates the ranks",
        in_quotes(word));
  }
  return error(lhInvalidArgument, "unknown encryption {}{}", in_quotes(word), did_you_mean(word, kKnown));
}

Status set_ports(std::string_view text, Wan* wan) { return store(parse_ports(text), &wan->ports); }

Status set_bind(std::string_view text, Wan* wan) {
  const std::string_view address = trimmed(text);
  if (!address.empty() && !is_ipv4(address)) {
    return error(lhInvalidArgument, "{} is not an IPv4 address to listen on, such as 10.0.1.1 (IPv6 is not supported)",
                 in_quotes(address));
  }
  wan->bind = address == "0.0.0.0" ? "" : std::string(address);
  return {};
}

Status set_advertise(std::string_view text, Wan* wan) {
  const std::string_view host = trimmed(text);
  if (Status status = host.empty() ? Status() : check_host(host); !status.ok()) {
    const bool with_port = host.find(':') == host.rfind(':') && host.find(':') != std::string_view::npos;
    if (!with_port) return status;
    return error(lhInvalidArgument, "{} must be a host without port (the key 'ports' chooses ports)", in_quotes(host));
  }
  wan->advertise = host;
  return {};
}

Status set_emulate_rtt(std::string_view text, Wan* wan) {
  TimeNs value = 0;
  Status status = store(parse_duration(text), &value);
  if (status.ok() && value > kMaxEmulatedRtt)
    return error(lhInvalidArgument, "{} is too long: at most 60s", in_quotes(text));
  if (status.ok()) wan->emulate.rtt_ns = value;
  return status;
}

Status set_emulate_rate(std::string_view text, Wan* wan) {
  if (trimmed(text) == "none") text = "0";
  return store(parse_rate(text), &wan->emulate.rate_bits_per_s);
}

Status set_emulate_loss(std::string_view text, Wan* wan) { return store(parse_probability(text), &wan->emulate.loss); }

std::string rate_or_none(std::uint64_t rate) { return rate == 0 ? "none" : rate_text(rate); }

constexpr std::array<Key, 22> kKeys{{
    {"codec", set_codec, [](const Wan& w) { return std::string(codec::name_of(w.codec)); }, true},
    {"min_compress_bytes", set_min_compress_bytes, [](const Wan& w) { return std::to_string(w.min_compress_bytes); },
     true},
    {"streams", set_streams, [](const Wan& w) { return automatic_or(static_cast<std::uint64_t>(w.streams)); }, true},
    {"chunk", set_chunk, [](const Wan& w) { return automatic_or(w.chunk_bytes); }, true},
    {"window", set_window, [](const Wan& w) { return automatic_or(w.window_bytes); }, false},
    {"feedback_memory", set_feedback_memory, [](const Wan& w) { return std::to_string(w.feedback_memory); }, false},
    {"timeout", set_timeout, [](const Wan& w) { return duration_text(w.timeout_ns); }, false},
    {"ride_through", set_ride_through, [](const Wan& w) { return duration_text(w.ride_through_ns); }, false},
    {"rate_limit", set_rate_limit, [](const Wan& w) { return rate_or_none(w.rate_limit_bits_per_s); }, false},
    {"congestion", set_congestion, [](const Wan& w) { return w.congestion; }, false},
    {"idle", set_idle, [](const Wan& w) { return std::string(kIdle[static_cast<std::size_t>(w.idle)]); }, false},
    {"hedge", set_hedge, [](const Wan& w) { return std::string(w.hedge ? "on" : "off"); }, false},
    {"staging", set_staging, [](const Wan& w) { return std::to_string(w.staging_bytes); }, false},
    {"nccl_ctas", set_nccl_ctas, [](const Wan& w) { return automatic_or(static_cast<std::uint64_t>(w.nccl_ctas)); }, false},
    {"nccl_traffic_class", set_nccl_traffic_class,
     [](const Wan& w) { return w.nccl_traffic_class < 0 ? std::string("none") : std::to_string(w.nccl_traffic_class); }, false},
    {"encryption", set_encryption, [](const Wan&) { return std::string("off"); }, true},
    {"ports", set_ports, [](const Wan& w) { return ports_text(w.ports); }, false},
    {"bind", set_bind, [](const Wan& w) { return w.bind; }, false},
    {"advertise", set_advertise, [](const Wan& w) { return w.advertise; }, false},
    {"emulate_rtt", set_emulate_rtt, [](const Wan& w) { return duration_text(w.emulate.rtt_ns); }, false},
    {"emulate_rate", set_emulate_rate, [](const Wan& w) { return rate_or_none(w.emulate.rate_bits_per_s); }, false},
    {"emulate_loss", set_emulate_loss, [](const Wan& w) { return fmt::format("{}", w.emulate.loss); }, false},
}};

constexpr std::array<std::string_view, kKeys.size()> kNames = [] {
  std::array<std::string_view, kKeys.size()> names;
  for (std::size_t i = 0; i < kKeys.size(); ++i) names[i] = kKeys[i].name;
  return names;
}();

constexpr std::string_view kVariablePrefix = "LONGHAUL_WAN_";

Status check_together(const Wan& wan) {
  if (wan.window_bytes != 0 && wan.window_bytes < kMinWindowChunks * wan.chunk_bytes) {
    return error(lhInvalidArgument, "window {} is smaller than {} chunks of {}: raise window to {} or lower chunk",
                 wan.window_bytes, kMinWindowChunks, wan.chunk_bytes, kMinWindowChunks * wan.chunk_bytes);
  }
  return {};
}

}  // namespace

std::span<const Key> wan_keys() { return kKeys; }
std::span<const std::string_view> wan_key_names() { return kNames; }

const Key* find_key(std::string_view name) {
  for (const Key& key : kKeys)
    if (key.name == name) return &key;
  return nullptr;
}

std::string variable_of(std::string_view key) {
  std::string name(kVariablePrefix);
  for (char c : key) name += (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
  return name;
}

Status read_wan_string(const std::string& text, const std::string& origin, Settings* settings) {
  Settings read;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = trimmed(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    const std::string_view name = trimmed(item.substr(0, equals));
    if (find_key(name) == nullptr) {
      return error(lhInvalidArgument, "unknown key {} in {}{}", in_quotes(name), origin, did_you_mean(name, kNames));
    }
    if (equals == std::string_view::npos) {
      return error(lhInvalidArgument, "key {} in {} has no value: write {}=value", in_quotes(name), origin, name);
    }
    const bool fresh = read.emplace(name, Text{std::string(trimmed(item.substr(equals + 1))), origin}).second;
    if (!fresh) return error(lhInvalidArgument, "key {} is named twice in {}", in_quotes(name), origin);
  }
  for (auto& [name, value] : read) settings->insert_or_assign(name, std::move(value));
  return {};
}

void read_wan_variables(const Environment& environment, Settings* settings) {
  for (const Key& key : kKeys) {
    const std::string name = variable_of(key.name);
    if (auto value = variable(environment, name.c_str())) {
      settings->insert_or_assign(std::string(key.name), Text{std::move(*value), "$" + name});
    }
  }
}

Status check_wan_variable_names(std::span<const std::string> names) {
  std::vector<std::string> known;
  for (const Key& key : kKeys) known.push_back(variable_of(key.name));
  const std::vector<std::string_view> candidates(known.begin(), known.end());
  for (const std::string& name : names) {
    if (!name.starts_with(kVariablePrefix)) continue;
    bool found = false;
    for (const std::string& candidate : known) found = found || candidate == name;
    if (!found) {
      return error(lhInvalidArgument, "unknown environment variable {}{}", in_quotes(name),
                   did_you_mean(name, candidates));
    }
  }
  return {};
}

Result<Wan> make_wan(const Settings& settings) {
  Wan wan;
  for (const auto& [name, text] : settings) {
    const Key* key = find_key(name);
    LH_CHECK(key != nullptr);
    Status status = key->set(text.value, &wan);
    if (!status.ok()) return std::move(status).with(fmt::format("{} in {}", name, text.origin));
  }
  Status status = check_together(wan);
  if (!status.ok()) return status;
  return wan;
}

}  // namespace longhaul::config
