// SPDX-License-Identifier: Apache-2.0
#include "emulate/path.h"

#include <algorithm>

namespace longhaul::emulate {
namespace {

/// A super-packet is delivered when its last wire packet is through, so one that takes longer than this is cut.
constexpr TimeNs kLongestPiece = 600 * kMicrosecond;
constexpr TimeNs kHeldBack = kMillisecond;
constexpr std::uint64_t kLeastQueue = 1 << 20;

TimeNs wire_time(std::uint64_t bytes, std::uint64_t rate) {
  return rate == 0 ? 0 : static_cast<TimeNs>(bytes * 8 * static_cast<std::uint64_t>(kSecond) / rate);
}

}  // namespace

std::uint64_t PathSettings::queue_limit() const {
  if (queue_bytes) return queue_bytes;
  const double round_trip = static_cast<double>(rate) / 8 * static_cast<double>(2 * delay) / static_cast<double>(kSecond);
  return std::max(kLeastQueue, static_cast<std::uint64_t>(2 * round_trip));
}

Path::Path(PathSettings settings, std::uint64_t seed, TimeNs start)
    : settings_(std::move(settings)), random_(seed), start_(start) {}

std::uint64_t Path::backlog(TimeNs now) const {
  if (busy_until_ <= now) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(busy_until_ - now) * static_cast<double>(settings_.rate) / 8e9);
}

bool Path::down(TimeNs now) const {
  if (!settings_.up) return true;
  for (const Outage& outage : settings_.outages) {
    TimeNs since = now - start_ - outage.start;
    if (since >= 0 && outage.period > 0) since %= outage.period;
    if (since >= 0 && since < outage.length) return true;
  }
  return false;
}

/// Gilbert's two-state model: in a burst everything is lost. A burst ends after each packet with probability 1 / burst, and
/// begins such that the long-run share lost is `loss`. With burst 1 that is independent loss.
bool Path::loses_next() {
  if (settings_.loss <= 0) return in_burst_ = false;
  if (settings_.burst <= 1) return random_.chance(settings_.loss);
  const double leave = 1 / settings_.burst;
  const double enter = settings_.loss >= 1 ? 1 : std::min(1.0, leave * settings_.loss / (1 - settings_.loss));
  in_burst_ = in_burst_ ? !random_.chance(leave) : random_.chance(enter);
  return in_burst_;
}

/// Room in the queue, and then on the wire.
bool Path::admit(std::uint64_t bytes, TimeNs now) {
  if (settings_.rate == 0) {
    busy_until_ = now;
    return true;
  }
  if (backlog(now) + bytes > settings_.queue_limit()) return false;
  busy_until_ = std::max(busy_until_, now) + wire_time(bytes, settings_.rate);
  return true;
}

void Path::offer(Packet packet, TimeNs now) {
  const std::size_t segments = packet.segments();
  counters_.offered_packets += segments;
  for (std::size_t i = 0; i < segments; ++i) counters_.offered_bytes += packet.segment_bytes(i);
  if (down(now)) {
    counters_.outage_drops += segments;
    return;
  }
  std::size_t begin = 0;  // first wire packet that survives and is not enqueued yet
  TimeNs began = std::max(busy_until_, now);
  for (std::size_t i = 0; i < segments; ++i) {
    const bool room = admit(packet.segment_bytes(i) + kEthernetOverhead, now);
    const bool lost = room && loses_next();
    counters_.queue_drops += !room;
    counters_.lost += lost;
    const bool survives = room && !lost;
    const std::size_t end = survives ? i + 1 : i;
    const bool cut = !survives || i + 1 == segments || busy_until_ - began >= kLongestPiece;
    if (!cut) continue;
    if (begin == 0 && end == segments) return enqueue(std::move(packet), busy_until_);
    if (end > begin) enqueue(packet.slice(begin, end - begin), busy_until_);
    begin = i + 1;
    began = busy_until_;
  }
}

void Path::enqueue(Packet packet, TimeNs departure) {
  TimeNs due = departure + settings_.delay;
  if (settings_.jitter > 0) due += static_cast<TimeNs>(random_.below(static_cast<std::uint64_t>(settings_.jitter) + 1));
  due = std::max(due, last_due_);
  if (settings_.reorder > 0 && random_.chance(settings_.reorder)) {
    due += std::max(settings_.jitter, kHeldBack);
    ++counters_.reordered;
  } else {
    last_due_ = due;
  }
  waiting_.push_back({due, order_++, std::move(packet)});
  std::push_heap(waiting_.begin(), waiting_.end(), later);
}

std::optional<Packet> Path::take(TimeNs now) {
  if (waiting_.empty() || waiting_.front().due > now) return std::nullopt;
  std::pop_heap(waiting_.begin(), waiting_.end(), later);
  Packet packet = std::move(waiting_.back().packet);
  const TimeNs lateness = now - waiting_.back().due;
  waiting_.pop_back();
  ++counters_.takes;
  counters_.late_takes += lateness > kMillisecond;
  counters_.total_lateness += lateness;
  counters_.worst_lateness = std::max(counters_.worst_lateness, lateness);
  counters_.delivered_packets += packet.segments();
  for (std::size_t i = 0; i < packet.segments(); ++i) counters_.delivered_bytes += packet.segment_bytes(i);
  return packet;
}

}  // namespace longhaul::emulate
