// SPDX-License-Identifier: Apache-2.0
// The resolved configuration of one rank, and how it is found: environment over lhConfig_t over TOML file over defaults.
// docs/configuration.md lists every key. Pure apart from reading the TOML and the secret file.
#pragma once

#include <longhaul/longhaul.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/idle.h"
#include "base/status.h"

namespace longhaul::config {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
  std::string text() const { return host + ":" + std::to_string(port); }
  bool operator==(const HostPort&) const = default;
};

struct Site {
  std::string name;
  HostPort address;
};

struct PortRange {
  std::uint16_t first = 0;  ///< 0, 0: any free port
  std::uint16_t last = 0;
};

/// Shaping of the WAN in user space; all zero: none.
struct Emulation {
  TimeNs rtt_ns = 0;
  std::uint64_t rate_bits_per_s = 0;  ///< of each directed link between two sites, shared by the ranks of the sending site
  double loss = 0;                    ///< probability that one wire segment is lost and has to be sent again
  bool active() const { return rtt_ns > 0 || rate_bits_per_s > 0 || loss > 0; }
};

/// The [wan] table.
struct Wan {
  lhCodec_t codec = lhCodecNone;
  std::uint64_t min_compress_bytes = 1 << 20;
  int streams = 0;                    ///< connections a pair of ranks, 1..16; 0: automatic
  std::uint64_t chunk_bytes = 0;      ///< of the whole buffer; 0: automatic
  std::uint64_t feedback_memory = std::uint64_t{4} << 30;  ///< most bytes of a rank's error-feedback states
  std::uint64_t window_bytes = 0;     ///< unacknowledged bytes a pair of ranks; 0: automatic
  TimeNs timeout_ns = 60 * kSecond;
  TimeNs ride_through_ns = 30 * kSecond;
  std::uint64_t rate_limit_bits_per_s = 0;  ///< 0: none
  std::string congestion = "auto";  ///< TCP congestion control: a name, "auto" (bbr where allowed) or "system"
  Idle idle = Idle::Park;
  bool hedge = true;  ///< a late frame is sent again on another stream
  bool encryption_off_explicit = false;     ///< "off" was written, not just defaulted
  PortRange ports;
  std::string bind;       ///< IPv4 address to listen on; empty: all
  std::string advertise;  ///< host others dial; empty: found automatically
  Emulation emulate;
  // Device communicators only.
  std::uint64_t staging_bytes = 64 << 20;  ///< pinned memory between the GPU and the WAN
  int nccl_ctas = 8;                       ///< most thread blocks of a collective inside the site; 0: NCCL decides
  int nccl_traffic_class = -1;             ///< of NCCL's own network traffic; -1: none
};

struct Config {
  std::string run_id = "longhaul";
  std::vector<std::byte> secret;  ///< contents of secret_file; never printed
  std::vector<Site> sites;        ///< in index order
  int site = 0;                   ///< index of this rank's site
  int site_rank = 0;
  int site_size = 1;
  std::optional<HostPort> site_address;  ///< where siteRank 0 gathers its own ranks; set whenever it is needed
  Wan wan;
  int device = -1;
  bool blocking = true;
};

/// Reads one environment variable; nullopt: not set. Injected so that tests need not change the process.
using Environment = std::function<std::optional<std::string>(const char* name)>;
Environment process_environment();

/// What the caller already knows and the configuration must not contradict.
struct Given {
  std::optional<int> site_rank;  ///< from an MPI communicator
  std::optional<int> site_size;
  bool in_site_exchange = false;  ///< MPI or an all-gather callback: no site address needed
};

/// Resolves everything lhCommInit needs. Errors are lhInvalidArgument (lhUnsupported for encryption other than off, and for
/// codecs this version lacks) with a text that says what to do, "did you mean" for unknown keys included.
Result<Config> resolve(const lhConfig_t* config, const Environment& environment, const Given& given);
/// For lhCommInitLoopback: only `file` and `wan` and their environment count.
Result<Wan> resolve_loopback(const lhConfig_t* config, const Environment& environment);

/// One "key = value" per line of everything that must be equal at all ranks (never the secret). Two such texts are
/// compared at bring-up.
std::string shared_text(const Config& config);
/// "wan.chunk: 1048576 here, 4194304 at atlanta" lines for every difference.
std::string difference(const std::string& mine, const std::string& theirs, const std::string& their_name);

}  // namespace longhaul::config
