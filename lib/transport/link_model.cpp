// SPDX-License-Identifier: Apache-2.0
// Times in exact integer arithmetic: a frame of b bytes takes b * 8e9 * 20 / (19 * rate) nanoseconds.
#include "transport/link_model.h"

#include <algorithm>

#include "base/check.h"

namespace longhaul::transport {
namespace {

__extension__ typedef unsigned __int128 Wide;  // 64 bits overflow from 100 MB upwards

constexpr std::uint64_t kBitNanosecondsPerByte = 8 * static_cast<std::uint64_t>(kSecond);
/// Fastest rate whose 19-fold still fits the arithmetic; nobody emulates more than an exabit per second.
constexpr std::uint64_t kMaxRate = UINT64_MAX / kPayloadShareNumerator;

}  // namespace

LinkModel::LinkModel(const LinkParameters& parameters) : parameters_(parameters), random_(parameters.seed) {
  LH_CHECK(parameters.one_way_ns >= 0);
  LH_CHECK(parameters.rate_bits_per_s <= kMaxRate);
  LH_CHECK(parameters.loss >= 0 && parameters.loss <= 1);
}

LinkModel::Passage LinkModel::departure_then_arrival(TimeNs now, std::uint64_t frame_bytes, Stream& stream) {
  const Losses losses = draw_losses(frame_bytes);
  Passage passage;
  if (frame_bytes == 0 || parameters_.rate_bits_per_s == 0) {
    passage.departure = std::max(now, busy_until());
  } else {
    serialise(now, frame_bytes + losses.bytes);
    passage.departure = busy_until();
  }
  const TimeNs late = losses.rounds * 2 * parameters_.one_way_ns;
  passage.arrival = std::max(stream.last_arrival, passage.departure + parameters_.one_way_ns + late);
  stream.last_arrival = passage.arrival;
  return passage;
}

void LinkModel::serialise(TimeNs now, std::uint64_t bytes) {
  if (busy_until() < now) {
    busy_ns_ = now;
    busy_rest_ = 0;
  }
  const std::uint64_t unit = kPayloadShareNumerator * parameters_.rate_bits_per_s;
  const Wide work = Wide{bytes} * kBitNanosecondsPerByte * kPayloadShareDenominator + busy_rest_;
  busy_ns_ += static_cast<TimeNs>(work / unit);
  busy_rest_ = static_cast<std::uint64_t>(work % unit);
}

LinkModel::Losses LinkModel::draw_losses(std::uint64_t frame_bytes) {
  Losses losses;
  const std::uint64_t count = (frame_bytes + kSegmentBytes - 1) / kSegmentBytes;
  segments_ += count;
  if (parameters_.loss <= 0) return losses;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t bytes = std::min(kSegmentBytes, frame_bytes - i * kSegmentBytes);
    int lost = 0;
    while (lost < kMaxSegmentLosses && random_.chance(parameters_.loss)) ++lost;
    losses.bytes += bytes * static_cast<std::uint64_t>(lost);
    losses.rounds = std::max(losses.rounds, lost);
    lost_segments_ += static_cast<std::uint64_t>(lost);
  }
  return losses;
}

}  // namespace longhaul::transport
