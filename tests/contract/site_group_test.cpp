// SPDX-License-Identifier: Apache-2.0
// The Channel and Group contracts over shared memory, all ranks in this thread: with rings as in the product and with
// the smallest possible ones, which are full all the time.
#include "support/site_channel_suite.h"
#include "support/site_group_suite.h"

namespace longhaul::site::testing {
namespace {

TEST_CASE("shared-memory channels keep order and lanes apart", "[contract][site]") {
  const auto slots = GENERATE(std::size_t{1}, std::size_t{4});
  ShmFabric fabric(slots, slots * 16);
  check_order(fabric);
  check_health(fabric);
  check_independent_lanes(fabric, Lane::Collect, Lane::Control);
  check_independent_lanes(fabric, Lane::Distribute, Lane::Collect);
  check_independent_lanes(fabric, Lane::Control, Lane::Distribute);
}

TEST_CASE("a group over shared memory gives every rank the exact result", "[contract][site]") {
  ShmFabric fabric(4, 64);
  check_all_calls(fabric);
}

TEST_CASE("a group makes progress over rings of one slot", "[contract][site]") {
  ShmFabric fabric(1, 1);
  check_all_calls(fabric);
}

TEST_CASE("any interleaving of the ranks gives the same bits", "[contract][site]") {
  ShmFabric fabric(1, 1);
  for (std::uint64_t seed = 100; seed < 130; ++seed) {
    check_call(fabric, 3, {Shape::AllReduce, lhFloat32, lhSum, false, 500, 64, seed});
  }
}

TEST_CASE("a message of another call is a mismatch that names the rank", "[contract][site]") {
  ShmFabric fabric(4, 64);
  check_mismatches(fabric, 2);
  check_mismatches(fabric, 3);
}

TEST_CASE("a group of one rank combines and finishes alone", "[contract][site]") {
  std::vector<std::unique_ptr<Channel>> none(1);
  Group group(0, std::move(none));
  CHECK(group.size() == 1);
  CHECK(group.arm());
  CHECK(!group.progress(0));
  CHECK(group.next_event() == kNever);
  CHECK(group.memory_bytes() == 0);
}

}  // namespace
}  // namespace longhaul::site::testing
