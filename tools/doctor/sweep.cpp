// SPDX-License-Identifier: Apache-2.0
#include "doctor/sweep.h"

#include <poll.h>

#include <cerrno>

#include "bootstrap/socket.h"

namespace longhaul::doctor {
namespace {

constexpr TimeNs kDeadline = 4 * kSecond;

struct Try {
  Fd socket;
  Port* result;
};

Port meaning(int code) {
  switch (code) {
    case 0:
    case ECONNRESET:  // it was made: a doctor ends it at once
      return Port::Open;
    case ECONNREFUSED:
      return Port::Refused;
    case ETIMEDOUT:
      return Port::Silent;
    default:
      return Port::Unreachable;
  }
}

void start(const Result<sockaddr_in>& host, int port, Port* result, std::vector<Try>* tries) {
  *result = Port::Unreachable;
  if (!host.ok()) return;
  sockaddr_in address = *host;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  auto socket = bootstrap::start_connect(address);
  if (!socket.ok()) return;  // start_connect() tells no code; what fails at once is a route that does not exist
  *result = Port::Silent;
  tries->push_back({std::move(*socket), result});
}

}  // namespace

Sweep sweep(const Targets& targets) {
  Sweep out;
  std::vector<Try> tries;
  start(bootstrap::resolve(targets.address), targets.address.port, &out.address, &tries);
  const auto host = bootstrap::resolve({targets.data_host, 1});
  for (const int port : targets.ports) start(host, port, &out.data[port], &tries);
  const TimeNs end = steady_now() + kDeadline;
  for (TimeNs now = steady_now(); !tries.empty() && now < end; now = steady_now()) {
    std::vector<pollfd> fds;
    for (const Try& one : tries) fds.push_back({one.socket.get(), POLLOUT, 0});
    ::poll(fds.data(), fds.size(), static_cast<int>((end - now) / kMillisecond + 1));
    std::erase_if(tries, [](const Try& one) {
      const auto code = bootstrap::connect_result(one.socket);
      if (code) *one.result = meaning(*code);
      return code.has_value();
    });
  }
  return out;
}

}  // namespace longhaul::doctor
