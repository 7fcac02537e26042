// SPDX-License-Identifier: Apache-2.0
#include "transport/sim/sim_transport.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/check.h"

namespace longhaul::transport {
namespace {

constexpr int kEventsPerPoll = 256;

}  // namespace

SimTransport::SimTransport(std::shared_ptr<Fabric> fabric, int node)
    : fabric_(std::move(fabric)), node_(node), wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  fabric_->attach(node_, wake_.get());
}

SimTransport::~SimTransport() { fabric_->detach(node_); }

Result<Address> SimTransport::listen() {
  LH_CHECK(!listening_);
  listening_ = true;
  if (!wake_.valid()) {
    return error(lhSystemError, "no event descriptor for node {}: raise the limit of open files (ulimit -n)", node_);
  }
  fabric_->listen(node_);
  return Address{"", static_cast<std::uint16_t>(node_)};
}

void SimTransport::post(EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) {
  LH_CHECK(header.size() <= kMaxHeaderBytes);
  LH_CHECK(cookie != 0 || payload.empty());
  fabric_->post(node_, endpoint, header, payload, cookie);
}

bool SimTransport::poll(Events& events, TimeNs now) {
  if (fabric_->begin_poll(node_, now)) {
    std::uint64_t count = 0;
    LH_CHECK(::read(wake_.get(), &count, sizeof count) == sizeof count);
  }
  int taken = 0;
  while (taken < kEventsPerPoll && fabric_->take(node_, &event_)) {
    ++taken;
    report(&event_, events);
  }
  return taken > 0;
}

void SimTransport::report(Fabric::Event* event, Events& events) {
  switch (event->kind) {
    case Fabric::Event::Kind::Accept:
      return events.on_accept(event->endpoint);
    case Fabric::Event::Kind::Frame:
      return report_frame(event, events);
    case Fabric::Event::Kind::Close:
      return events.on_close(event->endpoint, event->reason, event->text);
    case Fabric::Event::Kind::Sent:
      return events.on_sent(event->endpoint, event->cookie);
  }
}

void SimTransport::report_frame(Fabric::Event* event, Events& events) {
  // The header must outlive a payload that the owner drops during the call.
  std::array<std::byte, kMaxHeaderBytes> header;
  std::copy_n(event->buffer->header(), event->header_bytes, header.begin());
  const ConstBytes view = ConstBytes(header).first(event->header_bytes);
  BufferPool& pool = fabric_->pool(node_);
  if (event->payload_bytes == 0) {
    pool.give_back(std::move(event->buffer));
    events.on_receive(event->endpoint, view, Inbound());
  } else {
    events.on_receive(event->endpoint, view, pool.lend(std::move(event->buffer), event->payload_bytes));
  }
}

void SimTransport::append_wait_fds(std::vector<pollfd>& fds) const { fds.push_back({wake_.get(), POLLIN, 0}); }

}  // namespace longhaul::transport
