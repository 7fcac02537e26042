// SPDX-License-Identifier: Apache-2.0
#include "api/link_options.h"

#include <algorithm>

#include "transport/ucx/sockets.h"

namespace longhaul::api {
namespace {

/// Without wan.window: 16 MiB carries 1 Gbit/s over 130 ms; it grows with what the link turns out to need.
constexpr std::uint64_t kFirstWindow = 16 << 20;
constexpr std::uint64_t kMostWindow = 256 << 20;
/// What counts on a link is how many connections it carries in all: eight fill 1 Gbit/s over 80 ms in spite of default socket
/// buffers, and the longer the distance, the less each can carry. Loss-based congestion control needs eight times as many to
/// survive a loss. docs/decisions/0005 and 0006 have the measurements.
constexpr TimeNs kRttPerFlow = 10 * kMillisecond;
constexpr TimeNs kRttPerFlowWithoutBbr = kRttPerFlow / 8;
constexpr int kMostStreams = 16;

TimeNs rtt_per_stream(const config::Wan& wan, const plan::Topology& topology, int site, int peer) {
  const int pairs = std::min(topology.size_of(site), topology.size_of(topology.site_of(peer)));
  const bool bbr = wan.congestion == "bbr" || (wan.congestion == "auto" && transport::congestion_control_allowed("bbr"));
  return (bbr ? kRttPerFlow : kRttPerFlowWithoutBbr) * pairs;
}

/// The link from this site to another is shared by so many pairs of ranks.
std::uint64_t pairs_of_link(const plan::Topology& topology, int site, int peer) {
  std::uint64_t pairs = 0;
  for (int i = 0; i < topology.size_of(site); ++i)
    for (const int one : plan::wan_peers(topology, topology.rank(site, i))) pairs += topology.site_of(one) == topology.site_of(peer);
  return std::max<std::uint64_t>(1, pairs);
}

link::SessionOptions common_options(const config::Wan& wan) {
  link::SessionOptions options;
  options.window_bytes = std::max(wan.window_bytes ? wan.window_bytes : kFirstWindow, 4 * largest_payload(wan));
  options.most_window_bytes = wan.window_bytes ? options.window_bytes : std::max(kMostWindow, options.window_bytes);
  options.ride_through = wan.ride_through_ns;
  options.hedge = wan.hedge;
  return options;
}

/// For transports that give posts back only on arrival: real sockets keep a stream busy by themselves.
std::uint64_t deep_queue(const link::SessionOptions& options) { return options.window_bytes / 2; }

}  // namespace

link::SessionOptions loopback_session_options(const config::Wan& wan) {
  link::SessionOptions options = common_options(wan);
  options.streams = std::max(wan.streams, 1);
  options.stream_queue_bytes = deep_queue(options);
  return options;
}

link::SessionOptions lan_session_options(const config::Wan& wan) { return common_options(wan); }

link::SessionOptions wan_session_options(const config::Wan& wan, const plan::Topology& topology, int site, int peer) {
  link::SessionOptions options = common_options(wan);
  if (wan.emulate.active()) options.stream_queue_bytes = deep_queue(options);
  options.streams = wan.streams ? wan.streams : kMostStreams;
  if (wan.streams == 0) options.rtt_per_stream = rtt_per_stream(wan, topology, site, peer);
  const std::uint64_t pairs = pairs_of_link(topology, site, peer);
  options.link_share = 1.0 / static_cast<double>(pairs);
  // wan.rate_limit is for the whole link.
  if (const std::uint64_t limit = wan.rate_limit_bits_per_s / 8; limit > 0) options.rate_limit = std::max<std::uint64_t>(1, limit / pairs);
  return options;
}

engine::EngineOptions engine_options(const config::Wan& wan) {
  engine::EngineOptions options;
  options.chunk_bytes = wan.chunk_bytes;
  options.feedback_bytes = wan.feedback_memory;
  options.blob_bytes = 2 * common_options(wan).most_window_bytes;
  return options;
}

std::size_t largest_payload(const config::Wan& wan) {
  return static_cast<std::size_t>(wan.chunk_bytes ? wan.chunk_bytes : plan::kDefaultChunkBytes);
}

}  // namespace longhaul::api
