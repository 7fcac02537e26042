// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/lookup.h"

#include <netdb.h>
#include <sys/eventfd.h>

#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>

#include "base/fd.h"
#include "transport/ucx/address.h"

namespace longhaul::transport {

struct Lookup::State {
  std::mutex mutex;
  std::optional<Result<in_addr>> result;
  Fd wake;

  void finish(Result<in_addr> found) {
    const std::lock_guard lock(mutex);
    result.emplace(std::move(found));
    if (wake.valid()) (void)eventfd_write(wake.get(), 1);
  }
};

namespace {

Result<in_addr> resolve(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (failed != 0) {
    return error(lhSystemError, "cannot resolve '{}': {} (give an IPv4 address, or a name that has one)", host,
                 gai_strerror(failed));
  }
  sockaddr_in first{};
  std::memcpy(&first, list->ai_addr, sizeof(first));
  ::freeaddrinfo(list);
  return first.sin_addr;
}

}  // namespace

Lookup::Lookup(const std::string& host) : state_(std::make_shared<State>()) {
  if (const std::optional<in_addr> literal = parse_ipv4(host)) {
    state_->finish(*literal);
    return;
  }
  if (host.empty() || looks_like_ipv6(host)) {
    state_->finish(error(lhInvalidArgument, "'{}' is not an IPv4 address or a name (IPv6 is not supported)", host));
    return;
  }
  state_->wake = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  try {
    std::thread([state = state_, host] { state->finish(resolve(host)); }).detach();
  } catch (const std::system_error& failure) {
    state_->finish(error(lhSystemError, "cannot resolve '{}': no thread: {}", host, failure.what()));
  }
}

std::optional<Result<in_addr>> Lookup::result() const {
  const std::lock_guard lock(state_->mutex);
  return state_->result;
}

int Lookup::wait_fd() const { return state_->wake.get(); }

}  // namespace longhaul::transport
