// SPDX-License-Identifier: Apache-2.0
#include "site/nccl/gpu_times.h"

#include <algorithm>

namespace longhaul::site {
namespace {

/// A float of milliseconds resolves 15 ns then.
constexpr TimeNs kRenewAfter = 200 * kMillisecond;

}  // namespace

Result<std::unique_ptr<GpuTimes>> GpuTimes::make(const std::shared_ptr<const device::Gpu>& gpu,
                                                 const device::Stream& stream, std::size_t slots) {
  const auto timed = [&] { return device::Event::make(gpu, true); };
  auto anchor = timed(), next = timed();
  if (!anchor.ok()) return anchor.take_status();
  if (!next.ok()) return next.take_status();
  struct Made : GpuTimes {
    Made(device::Event a, device::Event b) : GpuTimes(std::move(a), std::move(b)) {}
  };
  std::unique_ptr<GpuTimes> times = std::make_unique<Made>(std::move(*anchor), std::move(*next));
  for (std::size_t i = 0; i < slots; ++i) {
    Set& set = times->sets_.emplace_back();
    for (std::size_t phase = 0; phase < kGpuPhases; ++phase) {
      auto begin = timed(), end = timed();
      if (!begin.ok()) return begin.take_status();
      if (!end.ok()) return end.take_status();
      set.pairs.push_back({.begin = std::move(*begin), .end = std::move(*end)});
    }
  }
  if (Status status = times->anchor_.record(stream.get()); !status.ok()) return status;
  times->anchor_at_ = steady_now();  // an idle stream comes to it at once; if not, correct() finds out
  return times;
}

Status GpuTimes::begin(std::size_t slot, GpuPhase phase, const device::Stream& stream) {
  Set& set = sets_[slot];
  Pair& pair = set.pairs[static_cast<std::size_t>(phase)];
  if (set.issued == 0) set.issued = steady_now();
  pair.begun = true;
  return pair.begin.record(stream.get());
}

Status GpuTimes::end(std::size_t slot, GpuPhase phase, const device::Stream& stream) {
  Pair& pair = sets_[slot].pairs[static_cast<std::size_t>(phase)];
  if (!pair.begun) return {};
  pair.ended = true;
  return pair.end.record(stream.get());
}

/// Times between events of one chunk are short, and so exact; only that of its first one is counted from the anchor.
GpuSpans GpuTimes::take(std::size_t slot, const device::Stream& stream) {
  Set& set = sets_[slot];
  GpuSpans spans{};
  const device::Event* first = nullptr;
  TimeNs age = 0;
  for (std::size_t i = 0; i < kGpuPhases; ++i) {
    Pair& pair = set.pairs[i];
    const bool whole = pair.begun && pair.ended;
    pair.begun = pair.ended = false;
    if (!whole) continue;
    if (!first) {
      const auto since = pair.begin.since(anchor_);
      if (!since) break;
      first = &pair.begin;
      age = *since;
    }
    const auto begin = pair.begin.since(*first), end = pair.end.since(*first);
    if (begin && end) spans[i] = {anchor_at_ + age + *begin, anchor_at_ + age + *end};
  }
  if (first) correct(&spans, set.issued, steady_now());
  set.issued = 0;
  renew_anchor(age, stream);
  return spans;
}

void GpuTimes::correct(GpuSpans* spans, TimeNs issued, TimeNs seen) {
  TimeNs begin = seen, end = issued;
  for (const GpuSpan& span : *spans) {
    if (span.end == 0) continue;
    begin = std::min(begin, span.begin);
    end = std::max(end, span.end);
  }
  const TimeNs by = begin < issued ? issued - begin : end > seen ? seen - end : 0;
  if (by == 0) return;
  anchor_at_ += by;
  for (GpuSpan& span : *spans)
    if (span.end != 0) span = {span.begin + by, span.end + by};
}

void GpuTimes::renew_anchor(TimeNs age, const device::Stream& stream) {
  if (!renewing_ && age > kRenewAfter) {
    renewing_ = next_.record(stream.get()).ok();
    return;
  }
  if (!renewing_) return;
  const auto since = next_.since(anchor_);
  if (!since) return;  // the stream has not come to it
  anchor_at_ += *since;
  std::swap(anchor_, next_);
  renewing_ = false;
}

}  // namespace longhaul::site
