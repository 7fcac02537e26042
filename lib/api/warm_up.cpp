// SPDX-License-Identifier: Apache-2.0
#include "api/warm_up.h"

#include <algorithm>

namespace longhaul::api {
namespace {

/// 1 MiB a rank opens the windows of its connections, and takes 0.1 s where a rank has but 100 Mbit/s.
constexpr std::uint64_t kFirstBytes = 1 << 20;
constexpr std::uint64_t kSecondGrowth = 4;
constexpr std::uint64_t kMostBytes = 64 << 20;
/// Where the first round, which includes the connecting, takes longer than this, the link is slow, and nobody waits for more.
constexpr TimeNs kLongestFirstRound = 2 * kSecond;
/// Nearer sites are not paced (link::Session).
constexpr TimeNs kNear = kMillisecond;
/// A paced round takes so long, or so many round trips.
constexpr TimeNs kPacedRound = 200 * kMillisecond;
constexpr int kPacedRoundTrips = 8;
constexpr double kGrow = 1.6;
constexpr double kRefine = 1.15;
constexpr double kConfirm = 1.05;
constexpr int kConfirmations = 1;
/// Ends and stalls of a round cost a little even where the pace is right.
constexpr double kReached = 0.88;
constexpr int kMisses = 2;
constexpr int kMostRounds = 16;
constexpr int kLimitedRounds = 4;

}  // namespace

WarmUp::WarmUp(int site_size) : bytes_(std::min(kMostBytes, kFirstBytes * static_cast<std::uint64_t>(site_size))) {}

bool WarmUp::next(const Round& round) {
  limited_ = round.limit > 0;
  // The distance may have been measured on a bad day.
  const TimeNs moving = std::max({round.took - round.one_way, round.took * 3 / 4, TimeNs{1}});
  const double reached = static_cast<double>(bytes_) * 1e9 / static_cast<double>(moving);
  if (++rounds_ == kMostRounds) return false;
  return pace_ > 0 ? next_paced(round.one_way, reached) : next_free(round, reached);
}

bool WarmUp::next_free(const Round& round, double reached) {
  if (rounds_ == 1 && round.took > kLongestFirstRound) return false;
  rate_ = limited_ ? round.limit : rounds_ > 1 ? reached : 0;
  if (rounds_ == 1) {
    bytes_ = std::min(kMostBytes, kSecondGrowth * bytes_);
    return true;
  }
  if (round.one_way < kNear) return false;
  // The sessions keep to the limit by themselves: what is left to do is to warm up their connections.
  return limited_ ? rounds_ < kLimitedRounds && size_for(round.one_way) : pace_to(kGrow, round.one_way);
}

bool WarmUp::next_paced(TimeNs one_way, double reached) {
  const bool held = reached >= kReached * pace_;
  rate_ = std::max(rate_, reached);
  if (held && factor_ != kConfirm) return pace_to(factor_, one_way);
  // Cold connections over a long distance may need another round before they can.
  if (factor_ == kGrow) return ++missed_ < kMisses || pace_to(kRefine, one_way);
  return confirmed_++ < kConfirmations && pace_to(kConfirm, one_way);
}

bool WarmUp::pace_to(double factor, TimeNs one_way) {
  factor_ = factor;
  missed_ = 0;
  pace_ = factor * rate_;
  return size_for(one_way);
}

bool WarmUp::size_for(TimeNs one_way) {
  const TimeNs round = std::max(kPacedRound, 2 * kPacedRoundTrips * one_way);
  bytes_ = std::min(kMostBytes, static_cast<std::uint64_t>(rate_ * static_cast<double>(round) / 1e9) / 4096 * 4096);
  return true;
}

}  // namespace longhaul::api
