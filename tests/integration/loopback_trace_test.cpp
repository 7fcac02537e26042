// SPDX-License-Identifier: Apache-2.0
// LONGHAUL_TRACE: every rank leaves a file that Perfetto can read and that tells the truth about the calls.
#include <map>

#include "support/loopback.h"
#include "support/trace_folder.h"

namespace {

using nlohmann::json;
using namespace longhaul::testing;

/// The complete events of one call.
json of_call(const json& events, std::uint64_t number) {
  json out = json::array();
  for (const json& event : events)
    if (event["ph"] == "X" && event["args"]["call"] == number) out.push_back(event);
  return out;
}

constexpr std::size_t kCount = 1 << 20;  // 4 MiB: 8 chunks of 512 KiB

/// The number of the only call of that many bytes.
std::uint64_t the_call(const json& events) {
  for (const json& event : events)
    if (event.value("cat", "") == "call" && event["args"]["bytes"] == 4 * kCount) return event["args"]["call"];
  FAIL("the all-reduce is not in the trace");
  return 0;
}

}  // namespace

TEST_CASE("a trace has every chunk of a call with its stages in order", "[integration]") {
  const TraceFolder folder;
  {
    const Loopback job({2, 2}, "codec=i8,chunk=512KiB");
    std::vector<std::vector<float>> data(4, std::vector<float>(kCount, 1.0F));
    job.run_ok([&](int rank, lhComm_t comm) {
      float* mine = data[static_cast<std::size_t>(rank)].data();
      return lhAllReduce(mine, mine, kCount, lhFloat32, lhSum, comm, nullptr);
    });
  }
  std::uint64_t bytes_of_site = 0;
  for (int rank = 0; rank < 4; ++rank) {
    const json events = folder.events(rank);
    CHECK(events[0]["args"]["name"] == "rank " + std::to_string(rank) + ", site site" + std::to_string(rank / 2));
    const json call = of_call(events, the_call(events));
    CHECK(call[0]["name"].get<std::string>().rfind("lhAllReduce #", 0) == 0);
    CHECK(call[0]["args"]["codec"] == "i8");
    const double begin = call[0]["ts"], end = begin + call[0]["dur"].get<double>();
    std::map<std::uint64_t, std::vector<std::string>> stages;
    std::map<std::uint64_t, double> reached;
    for (std::size_t i = 1; i < call.size(); ++i) {
      const json& event = call[i];
      const std::uint64_t chunk = event["args"]["chunk"];
      const double ts = event["ts"], dur = event["dur"];
      CHECK(event["pid"] == rank);
      CHECK(ts >= begin - 0.01);
      CHECK(ts + dur <= end + 0.01);
      if (reached.count(chunk)) CHECK(ts == Approx(reached[chunk]).margin(0.01));  // microseconds, printed with three decimals
      reached[chunk] = ts + dur;
      stages[chunk].push_back(event["name"]);
      if (event["name"] == "collect" && rank < 2) bytes_of_site += event["args"]["bytes"].get<std::uint64_t>();
    }
    REQUIRE(stages.size() == 8);
    for (const auto& [chunk, names] : stages)
      CHECK(names == std::vector<std::string>{"collect", "send", "exchange", "combine", "distribute"});
  }
  CHECK(bytes_of_site == 4 * kCount);  // the parts of a site's ranks are the whole buffer
}

TEST_CASE("a call alone in its site has no WAN stages", "[integration]") {
  const TraceFolder folder;
  {
    const Loopback job({2});
    std::vector<std::vector<float>> data(2, std::vector<float>(kCount, 1.0F));
    job.run_ok([&](int rank, lhComm_t comm) {
      float* mine = data[static_cast<std::size_t>(rank)].data();
      return lhAllReduce(mine, mine, kCount, lhFloat32, lhSum, comm, nullptr);
    });
  }
  const json events = folder.events(0);
  const json call = of_call(events, the_call(events));
  REQUIRE(call.size() > 1);
  for (std::size_t i = 1; i < call.size(); ++i) CHECK((call[i]["name"] != "send" && call[i]["name"] != "exchange"));
}

TEST_CASE("a trace that cannot be written is an error of initialisation", "[integration]") {
  const TraceFolder folder;
  ::setenv("LONGHAUL_TRACE", (folder.path / "missing" / "run").c_str(), 1);
  lhComm_t comms[2] = {};
  const int sizes[] = {1, 1};
  CHECK(lhCommInitLoopback(comms, sizes, 2, nullptr) == lhInvalidArgument);
  CHECK(contains(lhGetLastError(nullptr), "missing/run.rank0.json cannot be written"));
  CHECK(comms[0] == nullptr);
}
