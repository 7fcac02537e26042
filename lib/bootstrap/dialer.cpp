// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/dialer.h"

namespace longhaul::bootstrap {
namespace {

constexpr TimeNs kShortestPause = 50 * kMillisecond;
constexpr TimeNs kLongestPause = 200 * kMillisecond;
constexpr TimeNs kPauseAfterDns = kSecond;  // each try may block

}  // namespace

Dialer::Dialer(config::HostPort target, const security::Credentials& credentials, std::vector<std::byte> context)
    : target_(std::move(target)),
      credentials_(credentials),
      context_(std::move(context)),
      random_(static_cast<std::uint64_t>(steady_now())) {}

void Dialer::step(const Poller& poller, TimeNs now) {
  if (!refusal_.ok()) return;
  if (!peer_ && now >= next_call_) call(now);
  if (!peer_) return;
  if (peer_->state() == PeerHello::State::Ready) return peer_->socket().step(poller);
  peer_->step(poller, now);
  if (peer_->state() != PeerHello::State::Failed) return;
  const Status& status = peer_->status();
  switch (status.code()) {
    case lhAuthFailed:
    case lhUnsupported:
    case lhInvalidArgument:
      refusal_ = status;
      peer_.reset();
      return;
    case lhInvalidUsage:
      return hang_up("something else than a longhaul rank answers there: " + status.text());
    default:
      return hang_up(status.text());
  }
}

void Dialer::call(TimeNs now) {
  const auto spread = static_cast<std::uint64_t>(kLongestPause - kShortestPause);
  next_call_ = now + kShortestPause + static_cast<TimeNs>(random_.below(spread));
  const Result<sockaddr_in> address = resolve(target_);
  if (!address.ok()) {
    reason_ = address.status().text();
    next_call_ = now + kPauseAfterDns;
    return;
  }
  Result<Fd> socket = start_connect(*address);
  if (!socket.ok()) {
    reason_ = socket.status().text();
    return;
  }
  peer_ = PeerHello::dial(std::move(*socket), credentials_, context_, now);
}

void Dialer::want(Poller* poller) const {
  if (peer_) peer_->want(poller);
}

FramedSocket* Dialer::connection() {
  return peer_ && peer_->state() == PeerHello::State::Ready ? &peer_->socket() : nullptr;
}

void Dialer::hang_up(std::string reason) {
  peer_.reset();
  reason_ = std::move(reason);
}

}  // namespace longhaul::bootstrap
