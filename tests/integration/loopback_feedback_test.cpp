// SPDX-License-Identifier: Apache-2.0
// Error feedback as a caller sees it: what a codec loses comes later, states survive a checkpoint and a failure, nothing happens
// unless it is asked for, and what cannot be is refused.
#include <cmath>
#include <cstring>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

constexpr lhCodec_t kLossy[] = {lhCodecBf16, lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2};
constexpr std::uint64_t kTag = 42;
using Values = std::vector<float>;
using State = std::vector<std::byte>;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

lhCallConfig_t feedback_call(lhCodec_t codec, std::uint64_t tag = kTag, lhScope_t scope = lhScopeDefault) {
  lhCallConfig_t config = call_with(codec, scope);
  config.tag = tag;
  config.errorFeedback = 1;
  return config;
}

/// A gradient that is the same in every step, another for every rank.
Values gradient(int rank, std::size_t count) {
  Values values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = std::sin(static_cast<float>(i * (at(rank) + 3) % 7919)) + 0.3F;
  return values;
}

/// One all-reduce of everybody's gradient; the result of rank 0, after the check that all have the same.
Values step(const Loopback& job, std::size_t count, const lhCallConfig_t& config, lhRedOp_t op = lhSum) {
  std::vector<Values> results(at(job.ranks()), Values(count));
  job.run_ok([&](int rank, lhComm_t comm) {
    const Values mine = gradient(rank, count);
    return lhAllReduceEx(mine.data(), results[at(rank)].data(), count, lhFloat32, op, &config, comm, nullptr, nullptr);
  });
  if (config.scope != lhScopeRail)
    for (const Values& result : results) CHECK((std::memcmp(result.data(), results[0].data(), 4 * count) == 0));
  return results[0];
}

State exported(lhComm_t comm, std::uint64_t tag = kTag) {
  std::size_t bytes = 0;
  REQUIRE(lhCommFeedbackExport(comm, tag, nullptr, &bytes) == lhSuccess);
  State state(bytes);
  REQUIRE(lhCommFeedbackExport(comm, tag, state.data(), &bytes) == lhSuccess);
  REQUIRE(bytes == state.size());
  return state;
}

std::size_t tags_of(lhComm_t comm) {
  std::size_t count = 0;
  REQUIRE(lhCommFeedbackTags(comm, nullptr, &count) == lhSuccess);
  return count;
}

/// Root mean square of what all steps together lost, in units of a step's largest sum.
double lost(const Loopback& job, std::size_t count, const lhCallConfig_t& config, int steps) {
  std::vector<double> sum(count), exact(count);
  for (int rank = 0; rank < job.ranks(); ++rank) {
    if (config.scope == lhScopeRail && (rank > 0 && job.site_of(rank) == job.site_of(rank - 1))) continue;  // the rail of rank 0
    const Values mine = gradient(rank, count);
    for (std::size_t i = 0; i < count; ++i) exact[i] += static_cast<double>(mine[i]) * steps;
  }
  for (int i = 0; i < steps; ++i) {
    const Values result = step(job, count, config);
    for (std::size_t k = 0; k < count; ++k) sum[k] += static_cast<double>(result[k]);
  }
  double energy = 0;
  for (std::size_t k = 0; k < count; ++k) energy += (sum[k] - exact[k]) * (sum[k] - exact[k]);
  return std::sqrt(energy / static_cast<double>(count));
}

}  // namespace

TEST_CASE("What a codec loses is sent with the next call of the tag", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {3, 2}, {1, 2, 1}}) {
    for (const lhCodec_t codec : kLossy) {
      const Loopback job(shape);
      INFO(job.name() << ", codec " << codec);
      const std::size_t count = 30011;
      const int steps = 12;
      const double without = lost(job, count, call_with(codec), steps);
      const double with = lost(job, count, feedback_call(codec), steps);
      const double once = lost(job, count, call_with(codec), 1);
      // Without it errors add up, of the rotating codecs like a random walk; with it only those of the last step are left.
      CHECK(with < 0.5 * without);
      CHECK(with < (codec == lhCodecR2 ? 2.5 : 1.6) * once);
    }
  }
}

TEST_CASE("Error feedback in the rail scope and of 16-bit floats", "[integration][loopback]") {
  const Loopback job({2, 2});
  const std::size_t count = 20000;
  CHECK(lost(job, count, feedback_call(lhCodecF4, 1, lhScopeRail), 8) < 0.5 * lost(job, count, call_with(lhCodecF4, lhScopeRail), 8));
  // A value that i8 rounds to zero beside a large one: only feedback ever delivers it.
  const lhCallConfig_t config = feedback_call(lhCodecI8, 2);
  std::vector<float> sums(4, 0.0F);
  for (int i = 0; i < 40; ++i) {
    job.run_ok([&](int rank, lhComm_t comm) {
      std::vector<std::uint16_t> data(128, 0);
      data[0] = 0x42fe;  // bf16: 127
      data[1] = 0x3dcd;  // 0.1
      const lhResult_t result = lhAllReduceEx(data.data(), data.data(), data.size(), lhBfloat16, lhSum, &config, comm, nullptr, nullptr);
      const std::uint32_t bits = static_cast<std::uint32_t>(data[1]) << 16;
      float value = 0;
      std::memcpy(&value, &bits, sizeof value);
      sums[at(rank)] += value;
      return result;
    });
  }
  for (const float sum : sums) CHECK(sum == Approx(40 * 4 * 0.1).margin(4.5));
}

TEST_CASE("Error feedback is off unless a call asks for it, and nothing to codecs without loss", "[integration][loopback]") {
  const Loopback job({2, 1});
  const Values first = step(job, 5000, call_with(lhCodecI8));
  lhCallConfig_t tagged = call_with(lhCodecI8);
  tagged.tag = kTag;
  CHECK((step(job, 5000, tagged) == first));
  CHECK(tags_of(job[0]) == 0);
  for (const lhCodec_t codec : {lhCodecNone, lhCodecLossless, lhCodecDefault}) step(job, 5000, feedback_call(codec));
  step(job, 5000, feedback_call(lhCodecI8), lhMax);
  CHECK(tags_of(job[0]) == 0);
  CHECK(stats_of(job[0]).feedbackBytes == 0);
  CHECK((step(job, 5000, feedback_call(lhCodecI8)) == first));  // a new state is zeros
  CHECK(tags_of(job[0]) == 1);
  CHECK_FALSE((step(job, 5000, feedback_call(lhCodecI8)) == first));
  const std::uint64_t bytes = stats_of(job[0]).feedbackBytes + stats_of(job[1]).feedbackBytes;
  CHECK(bytes == 4 * 5000);  // the two ranks of a site share its values
  CHECK(stats_of(job[2]).feedbackBytes == 4 * 5000);
  const Loopback alone({2});
  step(alone, 5000, feedback_call(lhCodecI8));
  CHECK(tags_of(alone[0]) == 0);
}

TEST_CASE("Error feedback survives a checkpoint bit for bit", "[integration][loopback]") {
  const std::vector<int> shape{3, 2};
  const std::size_t count = 300007;
  for (const lhCodec_t codec : {lhCodecI8, lhCodecF4}) {  // those whose bytes do not depend on the number of the call
    std::vector<State> states;
    std::vector<Values> expected;
    {
      const Loopback job(shape);
      for (int i = 0; i < 3; ++i) step(job, count, feedback_call(codec));
      for (int rank = 0; rank < job.ranks(); ++rank) states.push_back(exported(job[rank]));
      for (int i = 0; i < 3; ++i) expected.push_back(step(job, count, feedback_call(codec)));
    }
    const Loopback job(shape);
    for (int rank = 0; rank < job.ranks(); ++rank) {
      REQUIRE(lhCommFeedbackImport(job[rank], kTag, states[at(rank)].data(), states[at(rank)].size()) == lhSuccess);
      CHECK((exported(job[rank]) == states[at(rank)]));
    }
    for (const Values& values : expected) CHECK((step(job, count, feedback_call(codec)) == values));
  }
}

TEST_CASE("A call that fails leaves the error-feedback state as it was", "[integration][loopback]") {
  for (const lhCodec_t codec : kLossy) {
    const Loopback job({1, 1});
    const std::size_t count = 100000;
    step(job, count, feedback_call(codec));
    step(job, count, feedback_call(codec));
    const State before = exported(job[0]);
    lhCallConfig_t config = feedback_call(codec);
    config.timeoutMs = 300;
    const Values mine = gradient(0, count);
    Values result(count);
    CHECK(lhAllReduceEx(mine.data(), result.data(), count, lhFloat32, lhSum, &config, job[0], nullptr, nullptr) == lhTimeout);
    CHECK((exported(job[0]) == before));
    std::uint64_t tag = 0;
    std::size_t tags = 1;
    CHECK(lhCommFeedbackTags(job[0], &tag, &tags) == lhSuccess);
    CHECK(tag == kTag);
    // And one that is refused, because the communicator has failed.
    CHECK(lhAllReduceEx(mine.data(), result.data(), count, lhFloat32, lhSum, &config, job[0], nullptr, nullptr) != lhSuccess);
    CHECK((exported(job[0]) == before));
    CHECK(lhCommFeedbackReset(job[0], 0) == lhSuccess);  // no call holds it any more
    CHECK(tags_of(job[0]) == 0);
  }
}

TEST_CASE("Calls of one tag that are under way together feed each other in order", "[integration][loopback]") {
  const std::size_t count = 200000;
  const auto run = [&](bool together) {
    const Loopback job({2, 1}, "chunk=64KiB");
    std::vector<Values> results(3 * 4, Values(count));
    job.run_ok([&](int rank, lhComm_t comm) {
      const Values mine = gradient(rank, count);
      const lhCallConfig_t config = feedback_call(lhCodecF4);
      std::vector<lhRequest_t> requests(4, nullptr);
      lhResult_t first = lhSuccess;
      const auto note = [&](lhResult_t result) { first = first == lhSuccess ? result : first; };
      for (std::size_t i = 0; i < 4; ++i) {
        note(lhAllReduceEx(mine.data(), results[4 * at(rank) + i].data(), count, lhFloat32, lhSum, &config, comm, nullptr, &requests[i]));
        if (!together) note(lhRequestWait(requests[i]));
      }
      for (std::size_t i = 0; together && i < 4; ++i) note(lhRequestWait(requests[i]));
      return first;
    });
    return results;
  };
  CHECK((run(true) == run(false)));
}

TEST_CASE("NaN and Inf are not fed back", "[integration][loopback]") {
  const Loopback job({1, 1});
  const std::size_t count = 4096;
  for (const lhCodec_t codec : kLossy) {
    const lhCallConfig_t config = feedback_call(codec, 100 + static_cast<std::uint64_t>(codec));
    std::vector<Values> results(2, Values(count));
    for (const bool bad : {true, false}) {
      job.run_ok([&](int rank, lhComm_t comm) {
        Values mine = gradient(rank, count);
        if (bad) mine[7] = NAN, mine[9] = rank == 0 ? HUGE_VALF : 1.0F, mine[11] = 3.4e38F * static_cast<float>(rank);
        return lhAllReduceEx(mine.data(), results[at(rank)].data(), count, lhFloat32, lhSum, &config, comm, nullptr, nullptr);
      });
      CHECK(std::isnan(results[0][7]) == bad);
      CHECK(std::isinf(results[1][9]) == bad);
      CHECK(std::isfinite(results[0][11]));
    }
  }
}

TEST_CASE("What error feedback refuses", "[integration][loopback]") {
  const Loopback job({1, 1}, "feedback_memory=1MiB");
  lhComm_t c = job[0];
  const auto says = [](lhResult_t expected, lhResult_t result, const char* words) {
    CHECK(result == expected);
    CHECK_THAT(std::string(lhGetLastError(nullptr)), Catch::Matchers::Contains(words));
  };
  float value = 0;
  std::size_t size = 0;
  const lhCallConfig_t config = feedback_call(lhCodecI8);
  std::vector<float> large(300000);
  says(lhInvalidArgument, lhAllReduceEx(large.data(), large.data(), large.size(), lhFloat32, lhSum, &config, c, nullptr, nullptr), "raise feedback_memory");
  step(job, 10000, config);
  const State state = exported(c);

  // A state that does not fit the call is kept from it only where somebody brought it.
  step(job, 20000, config);
  says(lhSuccess, lhCommFeedbackImport(c, kTag, state.data(), state.size()), "");
  says(lhInvalidArgument, lhAllReduceEx(large.data(), large.data(), 20000, lhFloat32, lhSum, &config, c, nullptr, nullptr), "imported");
  says(lhSuccess, lhCommFeedbackReset(c, kTag), "");
  step(job, 20000, config);

  // Any damage is found.
  State damaged = state;
  for (std::size_t i = 0; i < damaged.size(); i += 1 + i / 64) {
    damaged[i] ^= std::byte{1};
    CHECK(lhCommFeedbackImport(c, kTag, damaged.data(), damaged.size()) == lhInvalidArgument);
    damaged[i] ^= std::byte{1};
  }
  for (std::size_t bytes = 0; bytes < state.size(); bytes += 1 + bytes / 16) CHECK(lhCommFeedbackImport(c, kTag, state.data(), bytes) == lhInvalidArgument);
  damaged.push_back({});
  says(lhInvalidArgument, lhCommFeedbackImport(c, kTag, damaged.data(), damaged.size()), "damaged");
  says(lhInvalidArgument, lhCommFeedbackImport(c, 0, state.data(), state.size()), "tag 0");
  says(lhInvalidArgument, lhCommFeedbackImport(c, kTag, nullptr, 0), "NULL");
  says(lhInvalidArgument, lhCommFeedbackExport(c, 43, nullptr, &size), "tag 43");
  says(lhInvalidArgument, lhCommFeedbackExport(c, kTag, nullptr, nullptr), "NULL");
  size = 4;
  says(lhInvalidArgument, lhCommFeedbackExport(c, kTag, &value, &size), "room for 4 bytes");
  CHECK(size == 56 + 2 * 20000);
  size = 0;
  std::uint64_t tag = 0;
  says(lhInvalidArgument, lhCommFeedbackTags(c, &tag, &size), "room for 0 tags");
  says(lhInvalidArgument, lhCommFeedbackTags(nullptr, &tag, &size), "NULL");
  says(lhInvalidArgument, lhCommFeedbackReset(nullptr, 0), "NULL");

  // While a call is under way its state belongs to it.
  lhRequest_t request = nullptr;
  REQUIRE(lhAllReduceEx(large.data(), large.data(), 20000, lhFloat32, lhSum, &config, c, nullptr, &request) == lhSuccess);
  says(lhInvalidUsage, lhCommFeedbackImport(c, kTag, state.data(), state.size()), "under way");
  says(lhInvalidUsage, lhCommFeedbackReset(c, 0), "under way");
  std::vector<float> other(20000);
  REQUIRE(lhAllReduceEx(other.data(), other.data(), 20000, lhFloat32, lhSum, &config, job[1], nullptr, nullptr) == lhSuccess);
  REQUIRE(lhRequestWait(request) == lhSuccess);
  job.check_alive();
}
