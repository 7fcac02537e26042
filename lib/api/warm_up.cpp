// SPDX-License-Identifier: Apache-2.0
#include "api/warm_up.h"

#include <algorithm>

namespace longhaul::api {
namespace {

/// 1 MiB a rank opens the windows of its connections, and takes 0.1 s where a rank has but 100 Mbit/s.
constexpr std::uint64_t kFirstBytes = 1 << 20;
constexpr std::uint64_t kSecondGrowth = 4;
constexpr std::uint64_t kMostBytes = 64 << 20;
/// On a link that moves less in a round there is nothing to warm up.
constexpr std::uint64_t kLeastBytes = 64 << 10;
/// Where the first round takes longer than this, the link is slow, and nobody waits for more.
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
/// Rounds without a pace where losses decide: long, because repairs at the end of a round cost a few round trips whatever its length.
constexpr double kNoPace = 1e12;
constexpr double kLossyRoundSeconds = 2;
constexpr int kMostLossyRounds = 5;
constexpr double kBetter = 1.1;
/// A call that must wait for repairs sends faster than that in between. (1.1 where the link was full in between was tried: 20 to 40 % slower.)
constexpr double kRepairs = 1.25;
constexpr int kLimitedRounds = 4;

}  // namespace

WarmUp::WarmUp(int site_size, double limit)
    : limit_(limit),
      bytes_(limit > 0 ? bytes_at(limit, 0) : std::min(kMostBytes, kFirstBytes * static_cast<std::uint64_t>(site_size))) {}

void WarmUp::next(const Round& round) {
  const TimeNs took = round.took, one_way = round.one_way;
  // The distance may have been measured on a bad day.
  const TimeNs moving = std::max({took - one_way, took * 3 / 4, TimeNs{1}});
  // Neither can be more than the link carries. After losses the whole round says little: its end waits for their repair.
  const double reached = std::max(static_cast<double>(bytes_) * 1e9 / static_cast<double>(moving), round.delivered);
  const int most = limit_ > 0 ? kLimitedRounds : kMostRounds;
  if (++rounds_ == most)
    bytes_ = 0;
  else if (limit_ > 0)
    bytes_ = one_way >= kNear ? bytes_at(limit_, one_way) : 0;  // the sessions keep to it by themselves
  else if (lossy_rounds_ > 0)
    next_lossy(reached);
  else if (pace_ > 0)
    next_paced(round, reached);
  else
    next_free(round, reached);
}

/// The first round measures nothing: connections are still being made.
void WarmUp::next_free(const Round& round, double reached) {
  if (rounds_ == 1) {
    bytes_ = round.took <= kLongestFirstRound ? std::min(kMostBytes, kSecondGrowth * bytes_) : 0;
    return;
  }
  rate_ = reached;
  if (round.one_way >= kNear) return pace_to(kGrow, round.one_way);
  bytes_ = 0;
}

void WarmUp::next_paced(const Round& round, double reached) {
  const bool held = reached >= kReached * pace_;
  rate_ = std::max(rate_, reached);
  if (held && factor_ != kConfirm) return pace_to(factor_, round.one_way);
  // Cold connections over a long distance may need another round before they can.
  if (factor_ == kGrow && ++missed_ < kMisses) return;
  if (!held && round.empty_path) return next_lossy(reached);
  if (factor_ == kGrow) return pace_to(kRefine, round.one_way);
  if (confirmed_++ < kConfirmations) return pace_to(kConfirm, round.one_way);
  bytes_ = 0;
}

void WarmUp::next_lossy(double reached) {
  const bool better = reached > kBetter * rate_;
  rate_ = std::max(rate_, reached);
  if (lossy_rounds_ == 0 || (better && lossy_rounds_ < kMostLossyRounds)) {
    ++lossy_rounds_;
    pace_ = kNoPace;
    bytes_ = std::min(kMostBytes, static_cast<std::uint64_t>(rate_ * kLossyRoundSeconds)) / 4096 * 4096;
    return;
  }
  rate_ *= kRepairs;
  bytes_ = 0;
}

void WarmUp::pace_to(double factor, TimeNs one_way) {
  factor_ = factor;
  missed_ = 0;
  pace_ = factor * rate_;
  bytes_ = bytes_at(rate_, one_way);
}

std::uint64_t WarmUp::bytes_at(double rate, TimeNs one_way) {
  const TimeNs round = std::max(kPacedRound, 2 * kPacedRoundTrips * one_way);
  const auto bytes = static_cast<std::uint64_t>(rate * static_cast<double>(round) / 1e9);
  return bytes < kLeastBytes ? 0 : std::min(kMostBytes, bytes) / 4096 * 4096;
}

}  // namespace longhaul::api
