// SPDX-License-Identifier: Apache-2.0
#include "emulate/hub.h"

#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>

namespace longhaul::emulate {
namespace {

/// Packets of one site before the others and the clock get their turn.
constexpr int kReadsPerTurn = 32;

}  // namespace

Hub::Hub(std::vector<Site> sites, const PathSettings& settings, std::uint64_t seed)
    : sites_(std::move(sites)), buffer_(Packet::kMaxBytes) {
  const TimeNs start = steady_now();
  const int n = site_count();
  for (int i = 0; i < n * n; ++i) {
    const bool real = i / n != i % n;
    paths_.push_back(real ? std::make_unique<Path>(settings, seed + static_cast<std::uint64_t>(i), start) : nullptr);
  }
}

int Hub::site_of(std::uint32_t address) const {
  for (int i = 0; i < site_count(); ++i)
    if (site(i).address == address) return i;
  return -1;
}

void Hub::read_from(int from, TimeNs now) {
  for (int i = 0; i < kReadsPerTurn; ++i) {
    const ssize_t got = ::read(site(from).tun.get(), buffer_.data(), buffer_.size());
    if (got <= 0) return;
    auto packet = Packet::parse(ConstBytes(buffer_).first(static_cast<std::size_t>(got)));
    const int to = packet ? site_of(packet->destination()) : -1;
    if (to < 0 || to == from) {
      ++strays_;
      continue;
    }
    path(from, to).offer(std::move(*packet), now);
  }
}

void Hub::deliver(int from, int to, TimeNs now) {
  while (auto packet = path(from, to).take(now)) {
    const ConstBytes frame = packet->frame();
    if (::write(site(to).tun.get(), frame.data(), frame.size()) < 0) ++refused_;
  }
}

TimeNs Hub::turn(TimeNs now) {
  TimeNs next = kNever;
  for (int from = 0; from < site_count(); ++from) read_from(from, now);
  now = steady_now();
  for (int from = 0; from < site_count(); ++from) {
    for (int to = 0; to < site_count(); ++to) {
      if (from == to) continue;
      deliver(from, to, now);
      next = std::min(next, path(from, to).next_due());
    }
  }
  return next;
}

void Hub::append_wait_fds(std::vector<pollfd>& fds) const {
  for (const Site& site : sites_) fds.push_back({site.tun.get(), POLLIN, 0});
}

void make_punctual() {
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  sched_param parameters{};
  parameters.sched_priority = 1;
  ::sched_setscheduler(0, SCHED_FIFO, &parameters);  // not allowed: a little later then, and it is reported
}

}  // namespace longhaul::emulate
