// SPDX-License-Identifier: Apache-2.0
// What was measured between sites and what each site says about itself: plain values, which travel as JSON.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace longhaul::doctor {

/// What one end says about itself. 0 and empty: not known.
struct Facts {
  std::string name;                       ///< of the site; "here" and "there" where there is no configuration
  std::string address;                    ///< of the site, host:port
  std::uint64_t most_send_buffer = 0;     ///< tcp_wmem, third value
  std::uint64_t most_receive_buffer = 0;  ///< tcp_rmem, third value
  bool slow_start_after_idle = false;
  bool bbr_allowed = false;
  std::string congestion;                 ///< what its connections to other sites use
  std::vector<std::string> switched_off;  ///< settings of TCP that should be 1 and are 0
  int device_mtu = 0;
  std::string data_host;   ///< what its ranks tell the others to dial
  bool any_port = false;   ///< no wan.ports: `ports` are a few that the system chose
  std::vector<int> ports;  ///< data ports at which it listens for this report
  std::vector<int> taken;  ///< ports of the range that another program has
  std::string shared;      ///< settings that must be equal at all ranks
};

enum class Port { Open, Refused, Silent, Unreachable };

/// What one end saw of the other's ports.
struct Sweep {
  Port address = Port::Open;  ///< of the site
  std::map<int, Port> data;
};

/// One-way delays above the least one, so that no clocks need to agree.
struct Spread {
  TimeNs median = 0, p95 = 0, most = 0;
  double drift_ppm = 0;  ///< of the receiver's clock; taken out
};

struct Losses {
  std::uint64_t segments = 0, lost = 0;
};

/// Up is from the measuring end, down to it.
struct Capacity {
  int streams = 0;
  double up = 0, down = 0;                ///< bits a second of payload
  double resent_up = 0, resent_down = 0;  ///< share of the segments that were sent again
  TimeNs rtt_up = 0, rtt_down = 0;        ///< round trip while it was full
};

struct Measured {
  TimeNs least_rtt = 0, median_rtt = 0, p95_rtt = 0;
  Spread up, down;
  Losses loss_up, loss_down;
  TimeNs clock_offset = 0;  ///< the peer's clock minus ours, give or take half of least_rtt
  int mtu = 0;
  std::vector<Capacity> capacity;
};

/// Between two of the sites of a report.
struct Link {
  int from = 0, to = 0;  ///< the end that measured, the other
  bool swept = false;
  Sweep up{}, down{};   ///< of the ports of `to`, of the ports of `from`
  std::string error{};  ///< why it was not measured; empty: it was
  Measured measured{};
};

struct Report {
  std::vector<Facts> sites;
  std::vector<Link> links;
};

/// A value that another doctor sent. It may be anything.
template <typename T>
Result<T> from_peer(const nlohmann::json& json) {
  try {
    return json.get<T>();
  } catch (const nlohmann::json::exception&) {
    return error(lhRemoteError, "a message that this version does not understand: run the same longhaul at every site");
  }
}

NLOHMANN_JSON_SERIALIZE_ENUM(Port,
                             {{Port::Open, "open"}, {Port::Refused, "refused"}, {Port::Silent, "no answer"}, {Port::Unreachable, "unreachable"}})
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Facts, name, address, most_send_buffer, most_receive_buffer, slow_start_after_idle, bbr_allowed, congestion,
                                   switched_off, device_mtu, data_host, any_port, ports, taken, shared)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Sweep, address, data)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Spread, median, p95, most, drift_ppm)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Losses, segments, lost)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Capacity, streams, up, down, resent_up, resent_down, rtt_up, rtt_down)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Measured, least_rtt, median_rtt, p95_rtt, up, down, loss_up, loss_down, clock_offset, mtu, capacity)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Link, from, to, swept, up, down, error, measured)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Report, sites, links)

}  // namespace longhaul::doctor
