// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/probe.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

namespace longhaul::transport {
namespace {

constexpr TimeNs kPatience = kSecond;  // a live machine refuses within a round trip

Probe::Verdict verdict_of(int failure) {
  if (failure == 0) return Probe::Verdict::Answered;
  if (failure == EINPROGRESS) return Probe::Verdict::Running;
  return failure == ECONNREFUSED ? Probe::Verdict::Refused : Probe::Verdict::Unknown;
}

}  // namespace

Probe::Probe(const sockaddr_in& address, TimeNs now)
    : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)), deadline_(now + kPatience) {
  if (!fd_.valid()) {
    verdict_ = Verdict::Unknown;
    return;
  }
  const int failed = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  verdict_ = verdict_of(failed == 0 ? 0 : errno);
}

Probe::Verdict Probe::check(TimeNs now) {
  if (verdict_ != Verdict::Running) return verdict_;
  pollfd ready{fd_.get(), POLLOUT, 0};
  if (::poll(&ready, 1, 0) > 0) {
    int failure = 0;
    socklen_t size = sizeof(failure);
    const bool known = ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &failure, &size) == 0;
    verdict_ = known ? verdict_of(failure) : Verdict::Unknown;
  } else if (now >= deadline_) {
    verdict_ = Verdict::Unknown;
  }
  return verdict_;
}

}  // namespace longhaul::transport
