// SPDX-License-Identifier: Apache-2.0
// The rounds of a bring-up over a link that is modelled here: a rate, a distance, and a price for overrunning its queue.
#include "api/warm_up.h"

#include <algorithm>

#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::api;

namespace {

struct Link {
  double rate;  // bytes a second
  TimeNs one_way;
  double limit = 0;
  double unpaced = 1;  // part of the rate that is reached without a pace
  TimeNs repair = 0;   // of what was lost last
  double lossy = 0;    // pace that connections reach while few bytes are under way, for losses; 0: any

  double reached(const WarmUp& warm_up) const {
    if (lossy > 0) return warm_up.bytes() > 16 << 20 ? 0.8 * rate : lossy;
    const double most = warm_up.pace() > 0 ? std::min(warm_up.pace(), 0.95 * rate) : unpaced * rate;
    return limit > 0 ? std::min(most, limit) : most;
  }
  TimeNs carry(const WarmUp& warm_up) const {
    return one_way + repair + static_cast<TimeNs>(static_cast<double>(warm_up.bytes()) * 1e9 / reached(warm_up));
  }
};

struct Outcome {
  double rate = 0;
  int rounds = 0;
  TimeNs took = 0;
};

Outcome warm(const Link& link, int site_size = 2) {
  WarmUp warm_up(site_size, link.limit);
  Outcome outcome;
  for (; warm_up.bytes() > 0; ++outcome.rounds) {
    REQUIRE(outcome.rounds < 100);
    const TimeNs took = link.carry(warm_up);
    outcome.took += took;
    warm_up.next({.took = took,
                  .one_way = link.one_way,
                  .delivered = link.repair > 0 && link.lossy == 0 ? link.reached(warm_up) : 0,
                  .empty_path = warm_up.pace() > 0 && link.reached(warm_up) < 0.9 * link.rate});
  }
  outcome.rate = warm_up.rate();
  return outcome;
}

}  // namespace

TEST_CASE("Bring-up finds what a link carries", "[warm_up]") {
  for (const double rate : {12.5e6, 125e6, 500e6})
    for (const TimeNs one_way : {4 * kMillisecond, 40 * kMillisecond})
      for (const double unpaced : {0.2, 0.6, 1.0}) {
        CAPTURE(rate, one_way, unpaced);
        const Outcome outcome = warm({.rate = rate, .one_way = one_way, .unpaced = unpaced});
        CHECK(outcome.rate > 0.85 * rate);
        CHECK(outcome.rate < 1.0 * rate);
        CHECK(outcome.took < 10 * kSecond);
      }
}

TEST_CASE("Repairs at the end of a round do not make a link look slow", "[warm_up]") {
  const Outcome outcome = warm({.rate = 125e6, .one_way = 40 * kMillisecond, .repair = 300 * kMillisecond});
  CHECK(outcome.rate > 0.85 * 125e6);
  CHECK(outcome.rate < 125e6);
}

TEST_CASE("Where losses and not the link hold connections back, they are not paced to what they lost", "[warm_up]") {
  const Outcome outcome = warm({.rate = 125e6, .one_way = 40 * kMillisecond, .repair = 200 * kMillisecond, .lossy = 12e6});
  CHECK(outcome.rate > 0.7 * 125e6);
  CHECK(outcome.took < 10 * kSecond);
}

TEST_CASE("Sites next door need two rounds", "[warm_up]") { CHECK(warm({.rate = 1e9, .one_way = 20 * kMicrosecond}).rounds == 2); }

TEST_CASE("Nobody waits long for a slow link", "[warm_up]") {
  const Outcome outcome = warm({.rate = 0.5e6, .one_way = 20 * kMillisecond});
  CHECK(outcome.rounds == 1);
  CHECK(outcome.rate == 0);
}

TEST_CASE("With a configured limit there is nothing to find out", "[warm_up]") {
  const Outcome outcome = warm({.rate = 125e6, .one_way = 40 * kMillisecond, .limit = 100e6});
  CHECK(outcome.rounds == 4);
  CHECK(outcome.rate == 100e6);
  CHECK(outcome.took < 5 * kSecond);
}

TEST_CASE("A small limit does not make bring-up long", "[warm_up]") {
  for (const double limit : {125.0, 12.5e3, 1.25e6}) {
    CAPTURE(limit);
    CHECK(warm({.rate = 125e6, .one_way = 40 * kMillisecond, .limit = limit}, 64).took < 5 * kSecond);
  }
}

TEST_CASE("The ranks of a large site do not move more than fits", "[warm_up]") { CHECK(WarmUp(4096, 0).bytes() <= 64 << 20); }
