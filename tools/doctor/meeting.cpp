// SPDX-License-Identifier: Apache-2.0
#include "doctor/meeting.h"

#include <fmt/format.h>

#include <chrono>

namespace longhaul::doctor {
namespace {

constexpr std::chrono::seconds kBetweenCalls{1};

}  // namespace

Meeting::Meeting(const config::Config& config, const Self& self) : config_(config), self_(self), targets_(config.sites.size()) {}

Meeting::~Meeting() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (Target& target : targets_)
    if (target.thread.joinable()) target.thread.join();
}

void Meeting::dial(int site) {
  const std::lock_guard lock(mutex_);
  Target& target = targets_[static_cast<std::size_t>(site)];
  target.wanted = true;
  if (!target.thread.joinable()) target.thread = std::thread([this, site] { run(site); });
  changed_.notify_all();
}

void Meeting::stop_dialling(int site) {
  const std::lock_guard lock(mutex_);
  targets_[static_cast<std::size_t>(site)].wanted = false;
}

void Meeting::run(int site) {
  Target& target = targets_[static_cast<std::size_t>(site)];
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    changed_.wait(lock, [&] { return stopping_ || target.wanted; });
    if (stopping_) return;
    lock.unlock();
    auto socket = ask(self_, config_.sites[static_cast<std::size_t>(site)].address, {.what = Ask::Control});
    lock.lock();
    target.problem = socket.ok() ? Status() : socket.take_status();
    if (socket.ok() && target.wanted) {
      target.wanted = false;
      arrivals_.push_back({site, 0, std::move(*socket)});
      changed_.notify_all();
    } else {
      changed_.wait_for(lock, kBetweenCalls, [&] { return stopping_; });
    }
  }
}

void Meeting::receive(const Request& request, Fd socket) {
  const std::lock_guard lock(mutex_);
  const auto site = static_cast<std::size_t>(request.site);
  if (site >= targets_.size() || request.site == self_.site || stopping_) return;
  arrivals_.push_back({static_cast<int>(site), request.instance, std::move(socket)});
  changed_.notify_all();
}

std::optional<Meeting::Arrival> Meeting::next(TimeNs at_most) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::nanoseconds(at_most), [&] { return !arrivals_.empty(); });
  if (arrivals_.empty()) return std::nullopt;
  Arrival first = std::move(arrivals_.front());
  arrivals_.erase(arrivals_.begin());
  return first;
}

Status Meeting::problem(int site) {
  const std::lock_guard lock(mutex_);
  return targets_[static_cast<std::size_t>(site)].problem;
}

std::string place_text(const config::Config& config, int site) {
  const config::Site& one = config.sites[static_cast<std::size_t>(site)];
  return fmt::format("{} ({})", one.name, one.address.text());
}

}  // namespace longhaul::doctor
