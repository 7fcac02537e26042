// SPDX-License-Identifier: Apache-2.0
// LinkModel against exact arithmetic: serialisation, delay, the order of a stream, and the cost and number of losses.
#include "transport/link_model.h"

#include <cmath>
#include <vector>

#include "support/catch.h"

using namespace longhaul;
using longhaul::transport::kSegmentBytes;
using longhaul::transport::LinkModel;
using longhaul::transport::LinkParameters;

namespace {

constexpr std::uint64_t kGigabit = 1'000'000'000;
constexpr TimeNs kDelay = 7'500'000;

LinkParameters gigabit() {
  LinkParameters parameters;
  parameters.one_way_ns = kDelay;
  parameters.rate_bits_per_s = kGigabit;
  return parameters;
}

}  // namespace

TEST_CASE("a lone frame arrives at the physical limit", "[unit][link_model]") {
  LinkModel link(gigabit());
  LinkModel::Stream stream;
  // 950,000 bytes are 1,000,000 bytes on the wire: 8 ms at 1 Gbit/s.
  const LinkModel::Passage passage = link.departure_then_arrival(1000, 950'000, stream);
  CHECK(passage.departure == 1000 + 8'000'000);
  CHECK(passage.arrival == 1000 + 8'000'000 + kDelay);
  CHECK(stream.last_arrival == passage.arrival);
  CHECK(link.busy_until() == passage.departure);
}

TEST_CASE("a link without a rate only delays", "[unit][link_model]") {
  LinkParameters parameters;
  parameters.one_way_ns = kDelay;
  LinkModel link(parameters);
  LinkModel::Stream stream;
  for (TimeNs now : {TimeNs{5}, TimeNs{5}, TimeNs{6}}) {
    const LinkModel::Passage passage = link.departure_then_arrival(now, 1 << 30, stream);
    CHECK(passage.departure == now);
    CHECK(passage.arrival == now + kDelay);
  }
  LinkModel none;
  CHECK(none.departure_then_arrival(9, 100, stream).departure == 9);
}

TEST_CASE("frames of all streams queue behind each other", "[unit][link_model]") {
  LinkModel link(gigabit());
  LinkModel::Stream a;
  LinkModel::Stream b;
  CHECK(link.departure_then_arrival(0, 950'000, a).departure == 8'000'000);
  CHECK(link.departure_then_arrival(0, 950'000, b).departure == 16'000'000);
  CHECK(link.departure_then_arrival(3'000'000, 950'000, a).departure == 24'000'000);
  // A signal waits for its turn but takes no time, and leaves the queue as it was.
  CHECK(link.departure_then_arrival(3'000'000, 0, b).departure == 24'000'000);
  CHECK(link.departure_then_arrival(60'000'000, 0, b).departure == 60'000'000);
  CHECK(link.busy_until() == 24'000'000);
}

TEST_CASE("an idle link gathers no credit", "[unit][link_model]") {
  LinkModel link(gigabit());
  LinkModel::Stream stream;
  CHECK(link.departure_then_arrival(0, 950, stream).departure == 8'000);
  const TimeNs later = 10 * kSecond;
  CHECK(link.departure_then_arrival(later, 950'000, stream).departure == later + 8'000'000);
  CHECK(link.departure_then_arrival(later, 950'000, stream).departure == later + 16'000'000);
}

TEST_CASE("a busy link never drifts", "[unit][link_model]") {
  // One byte takes 8e9 * 20 / (19 * rate) ns, a fraction here; 19 million of them take a whole number.
  LinkParameters parameters;
  parameters.rate_bits_per_s = 3 * kGigabit;
  LinkModel link(parameters);
  LinkModel::Stream stream;
  TimeNs departure = 0;
  TimeNs before = 0;
  bool steady = true;
  for (int i = 0; i < 5'700'000; ++i) {
    departure = link.departure_then_arrival(0, 1, stream).departure;
    steady = steady && departure - before >= 2 && departure - before <= 3;  // 2.807 ns
    before = departure;
  }
  CHECK(steady);
  CHECK(departure == 16'000'000);
}

TEST_CASE("large frames on slow links do not overflow", "[unit][link_model]") {
  LinkParameters parameters;
  parameters.rate_bits_per_s = 1'000'000;
  LinkModel link(parameters);
  LinkModel::Stream stream;
  const std::uint64_t bytes = std::uint64_t{19} << 30;
  CHECK(link.departure_then_arrival(0, bytes, stream).departure == (TimeNs{20} << 30) * 8'000);
}

TEST_CASE("a certain loss costs bytes and round trips, and ends", "[unit][link_model]") {
  LinkParameters parameters = gigabit();
  parameters.loss = 1;
  LinkModel link(parameters);
  LinkModel::Stream stream;
  const std::uint64_t bytes = 2 * kSegmentBytes + 1;  // three segments, each lost as often as the model allows
  const LinkModel::Passage passage = link.departure_then_arrival(0, bytes, stream);
  const auto times = static_cast<std::uint64_t>(transport::kMaxSegmentLosses + 1);
  const std::uint64_t expected = (bytes * times * 8 * 20 + 18) / 19;  // ns at 1 Gbit/s, rounded up
  CHECK(passage.departure == static_cast<TimeNs>(expected));
  CHECK(passage.arrival == passage.departure + kDelay + transport::kMaxSegmentLosses * 2 * kDelay);
  CHECK(link.segments() == 3);
  CHECK(link.lost_segments() == 3 * (times - 1));
}

TEST_CASE("losses are as frequent as asked", "[unit][link_model]") {
  const double loss = GENERATE(0.001, 0.01, 0.2);
  LinkParameters parameters = gigabit();
  parameters.loss = loss;
  parameters.seed = 77;
  LinkModel link(parameters);
  std::uint64_t late = 0;
  constexpr int kFrames = 200'000;
  for (int i = 0; i < kFrames; ++i) {
    LinkModel::Stream own;
    const LinkModel::Passage passage = link.departure_then_arrival(0, 4 * kSegmentBytes, own);
    const TimeNs extra = passage.arrival - passage.departure - kDelay;
    REQUIRE(extra % (2 * kDelay) == 0);
    if (extra > 0) ++late;
  }
  CHECK(link.segments() == 4 * kFrames);
  // Losses of a segment before it gets through: geometric, mean p / (1 - p). Five standard deviations either way.
  const double expected = 4 * kFrames * loss / (1 - loss);
  const double losses = static_cast<double>(link.lost_segments());
  CHECK(std::abs(losses - expected) < 5 * std::sqrt(expected / (1 - loss)));
  const double late_share = 1 - std::pow(1 - loss, 4);
  CHECK(std::abs(static_cast<double>(late) - kFrames * late_share) < 5 * std::sqrt(kFrames * late_share));
  // Every lost segment's bytes crossed the link again.
  const std::uint64_t sent = (link.segments() + link.lost_segments()) * kSegmentBytes;
  CHECK(link.busy_until() == static_cast<TimeNs>((sent * 8 * 20 + 18) / 19));
}

TEST_CASE("a stream stays in order and others overtake a late frame", "[unit][link_model]") {
  LinkParameters parameters = gigabit();
  parameters.loss = 0.05;
  LinkModel link(parameters);
  std::vector<LinkModel::Stream> streams(3);
  TimeNs newest = 0;
  int held_back = 0;
  int overtaken = 0;
  for (std::size_t i = 0; i < 30'000; ++i) {
    LinkModel::Stream& stream = streams[i % 3];
    const TimeNs before = stream.last_arrival;
    const LinkModel::Passage passage = link.departure_then_arrival(0, 1000, stream);
    REQUIRE(passage.arrival >= before);
    REQUIRE(passage.arrival >= passage.departure + kDelay);
    if (passage.arrival == before) ++held_back;  // behind a late frame of its own stream
    if (passage.arrival < newest) ++overtaken;
    newest = std::max(newest, passage.arrival);
  }
  CHECK(held_back > 1000);
  CHECK(overtaken > 1000);
}

TEST_CASE("the same seed gives the same times, another one does not", "[unit][link_model]") {
  const auto run = [](std::uint64_t seed) {
    LinkParameters parameters = gigabit();
    parameters.loss = 0.01;
    parameters.seed = seed;
    LinkModel link(parameters);
    LinkModel::Stream stream;
    std::vector<TimeNs> arrivals;
    for (TimeNs i = 0; i < 2000; ++i) {
      arrivals.push_back(link.departure_then_arrival(i * 1000, 5000, stream).arrival);
    }
    return arrivals;
  };
  CHECK(run(1) == run(1));
  CHECK(run(1) != run(2));
}
