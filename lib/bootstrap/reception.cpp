// SPDX-License-Identifier: Apache-2.0
// See the header.
#include "bootstrap/reception.h"

#include <algorithm>

#include "base/log.h"

namespace longhaul::bootstrap {
namespace {

constexpr std::size_t kMaxCallers = 64;
// A caller is pushed out no sooner than this, so that a flood cannot push out everybody in mid-handshake.
constexpr TimeNs kSilentGrace = 250 * kMillisecond;
constexpr TimeNs kHeardGrace = kSecond;
constexpr TimeNs kPauseWithoutDescriptors = 100 * kMillisecond;
constexpr TimeNs kLogEvery = kSecond;

bool is_any(const sockaddr_in& address) { return address.sin_addr.s_addr == htonl(INADDR_ANY); }

/// One of two addresses that cannot both be listened at: the one that serves both.
std::optional<sockaddr_in> merged(const sockaddr_in& a, const sockaddr_in& b) {
  if (a.sin_port != b.sin_port) return std::nullopt;
  if (is_any(a) || a.sin_addr.s_addr == b.sin_addr.s_addr) return a;
  if (is_any(b)) return b;
  return std::nullopt;
}

}  // namespace

Status Reception::open(const std::vector<sockaddr_in>& addresses) {
  std::vector<sockaddr_in> needed;
  for (const sockaddr_in& address : addresses) {
    const auto place = std::find_if(needed.begin(), needed.end(),
                                    [&](const sockaddr_in& other) { return merged(other, address).has_value(); });
    if (place == needed.end()) {
      needed.push_back(address);
    } else {
      *place = *merged(*place, address);
    }
  }
  for (const sockaddr_in& address : needed) {
    Result<Fd> listener = listen_at(address);
    if (!listener.ok()) return listener.take_status();
    listeners_.push_back(std::move(*listener));
  }
  return {};
}

void Reception::step(const Poller& poller, TimeNs now) {
  accept(now);
  for (auto caller = callers_.begin(); caller != callers_.end();)
    caller = attend(&*caller, poller, now) ? std::next(caller) : callers_.erase(caller);
}

void Reception::accept(TimeNs now) {
  if (now < accept_after_) return;
  accept_after_ = 0;
  for (const Fd& listener : listeners_) {
    for (std::size_t i = 0; i < kMaxCallers && make_room(now); ++i) {
      int problem = 0;
      std::optional<Accepted> caller = accept_one(listener, &problem);
      if (problem != 0) {
        log_warn(fmt::format("a caller cannot be accepted: {}", errno_text(problem)));
        accept_after_ = now + kPauseWithoutDescriptors;
        return;
      }
      if (!caller) break;
      callers_.push_back(PeerHello::accept(std::move(*caller), credentials_, now));
    }
  }
}

bool Reception::make_room(TimeNs now) {
  if (callers_.size() < kMaxCallers) return true;
  const auto stale = [&](const std::unique_ptr<PeerHello>& caller) {
    return now - caller->started() >= (caller->heard() ? kHeardGrace : kSilentGrace);
  };
  const auto place = std::find_if(callers_.begin(), callers_.end(), stale);
  if (place == callers_.end()) return false;
  drop(**place, error(lhInvalidUsage, "too many callers say nothing"), now);
  callers_.erase(place);
  return true;
}

bool Reception::attend(std::unique_ptr<PeerHello>* caller, const Poller& poller, TimeNs now) {
  (*caller)->step(poller, now);
  if ((*caller)->state() == PeerHello::State::Failed) {
    drop(**caller, (*caller)->status(), now);
    return false;
  }
  if ((*caller)->state() != PeerHello::State::Asking) return true;
  const std::optional<Caller> who = decode_caller((*caller)->context());
  const Status judged = who ? judge_(*who) : error(lhInvalidArgument, "this address serves the bring-up only");
  if (!judged.ok()) {
    (*caller)->refuse(judged);
    drop(**caller, judged, now);
    return false;
  }
  (*caller)->admit();
  receive_(*who, std::move(*caller));
  return false;
}

void Reception::drop(const PeerHello& caller, const Status& why, TimeNs now) {
  ++dropped_;
  if (why.code() == lhAuthFailed) {
    ++unauthorised_;
    last_unauthorised_ = fmt::format("{}, from {}", why.text(), caller.from());
  }
  if (now < log_after_) return;
  log_after_ = now + kLogEvery;
  const std::string text =
      fmt::format("a caller from {} was dropped: {} ({} so far)", caller.from(), why.text(), dropped_);
  if (why.code() == lhAuthFailed || why.code() == lhInvalidArgument) {
    log_warn(text);
  } else {
    log_info(text);
  }
}

void Reception::want(Poller* poller) const {
  for (const Fd& listener : listeners_) {
    if (callers_.size() < kMaxCallers && accept_after_ == 0) poller->want(listener.get(), true, false);
  }
  for (const auto& caller : callers_) caller->want(poller);
}

}  // namespace longhaul::bootstrap
