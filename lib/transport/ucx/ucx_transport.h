// SPDX-License-Identifier: Apache-2.0
// The product's transport: frames as UCX active messages, always eager, one TCP socket per endpoint.
//
// One UCX context and one single-threaded worker per transport; the creating thread makes every call. UCX settings are
// chosen here (context.cpp) unless the user set the variable: LONGHAUL_UCX_TLS and the like for this library alone,
// UCX_TLS and the like for every UCX in the process. UCX does not survive fork().
//
// UCX trusts whoever reaches its ports and speaks its protocol: such a peer can crash the process or write its memory,
// before anything above this layer sees a byte. door.h keeps accidents out of the listener; only a firewall or a VPN
// that admits nobody but the job's machines to the port range keeps attackers out.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"
#include "transport/transport.h"

namespace longhaul::transport {

struct UcxOptions {
  std::string bind_host;  ///< IPv4 address to listen at; empty: every interface
  std::string
      advertise_host;  ///< what others dial (IPv4 address or name); empty: bind_host, else the first interface's
  std::uint16_t first_port = 0;
  std::uint16_t last_port = 0;  ///< listener and data ports, both ends included; 0, 0: any
  std::string congestion = "system";  ///< of the data sockets: see DataSockets
};

Result<std::unique_ptr<Transport>> make_ucx_transport(const UcxOptions& options);

}  // namespace longhaul::transport
