// SPDX-License-Identifier: Apache-2.0
// What ranks of a site tell each other about their links, and what they make of it.
#include "engine/site_rates.h"
#include "support/catch.h"

using namespace longhaul;
using namespace longhaul::engine;

namespace {

void pass(SiteRates* from, int from_rank, SiteRates* to) {
  std::byte memory[256];
  ByteWriter writer(memory);
  from->encode(&writer);
  REQUIRE(to->hear(from_rank, writer.written()));
}

}  // namespace

TEST_CASE("Nobody is held back before anybody said something", "[unit][site_rates]") {
  const SiteRates rates(4, 3);
  for (int site = 0; site < 3; ++site) CHECK(rates.most(site) == SiteRates::kNoLimit);
  for (int peer = 0; peer < 4; ++peer) CHECK(!rates.owed(peer));
}

TEST_CASE("The slowest of a site decides, a little above what it says, for each link by itself", "[unit][site_rates]") {
  SiteRates a(3, 3), b(3, 3), c(3, 3);
  b.believe(1, 100e6);
  b.believe(2, 50e6);
  c.believe(1, 80e6);
  pass(&b, 1, &a);
  pass(&c, 2, &a);
  CHECK(a.most(1) == Approx(80e6).epsilon(0.06));
  CHECK(a.most(1) > 80e6);
  CHECK(a.most(2) == Approx(50e6).epsilon(0.06));
  CHECK(a.most(0) == SiteRates::kNoLimit);
}

TEST_CASE("News are owed to everyone once, and trifles are no news", "[unit][site_rates]") {
  SiteRates rates(3, 2);
  rates.believe(1, 100e6);
  CHECK(rates.owed(1));
  CHECK(rates.owed(2));
  rates.told(1);
  CHECK(!rates.owed(1));
  CHECK(rates.owed(2));
  CHECK(rates.owed());
  rates.told(2);
  rates.told(0);  // itself
  CHECK(!rates.owed());
  rates.believe(1, 100.1e6);
  CHECK(!rates.owed(1));
  rates.believe(1, 101e6);
  CHECK(rates.owed(1));
}

TEST_CASE("Two ranks that go faster together are not held back for ever", "[unit][site_rates]") {
  SiteRates a(2, 2), b(2, 2);
  double rate_a = 50e6, rate_b = 50e6;
  for (int call = 0; call < 300; ++call) {
    a.believe(1, rate_a);
    b.believe(1, rate_b);
    pass(&a, 0, &b);
    pass(&b, 1, &a);
    rate_a = std::min(1.005 * rate_a, a.most(1));
    rate_b = std::min(1.005 * rate_b, b.most(1));
  }
  CHECK(rate_a > 150e6);
}

TEST_CASE("Messages of another size change nothing", "[unit][site_rates]") {
  SiteRates rates(2, 2);
  const std::byte message[17] = {};
  CHECK(!rates.hear(1, ConstBytes(message).first(15)));
  CHECK(!rates.hear(1, ConstBytes(message).first(17)));
  CHECK(!rates.hear(1, {}));
  CHECK(rates.most(1) == SiteRates::kNoLimit);
}
