// SPDX-License-Identifier: Apache-2.0
// Codecs that the caller brings: they work like the library's own, and the library holds them to what they declare.
#include <cmath>
#include <cstring>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

constexpr std::size_t kCount = 30011;
using Values = std::vector<float>;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// Halves: the upper 16 bits of every value. Does something wrong where it is told to.
struct Halves {
  std::size_t beyond = 0;       // bytes to write after the room, or before it
  bool before = false;
  std::size_t claims = 0;       // bytes to claim beyond the room
  bool decodes_beyond = false;
  lhResult_t encodes = lhSuccess, decodes = lhSuccess;
  std::size_t not_finite = 0;   // values it was given that it must not be
  std::vector<std::uint64_t> seeds;
};

lhResult_t encode(void* context, const float* values, size_t count, uint64_t seed, void* blob, size_t room, size_t* bytes) {
  auto& how = *static_cast<Halves*>(context);
  how.seeds.push_back(seed);
  if (how.encodes != lhSuccess) return how.encodes;
  auto* out = static_cast<unsigned char*>(blob);
  for (std::size_t i = 0; i < count; ++i) {
    how.not_finite += std::isfinite(values[i]) ? 0u : 1u;
    std::uint32_t bits = 0;
    std::memcpy(&bits, &values[i], 4);
    const auto half = static_cast<std::uint16_t>(bits >> 16);
    std::memcpy(out + 2 * i, &half, 2);
  }
  std::memset(how.before ? out - how.beyond : out + room, 1, how.beyond);
  *bytes = how.claims ? room + how.claims : 2 * count;
  return lhSuccess;
}

lhResult_t decode_add(void* context, const void* blob, size_t bytes, size_t count, float* sum) {
  const auto& how = *static_cast<Halves*>(context);
  if (bytes != 2 * count) return lhDataCorrupt;
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, static_cast<const unsigned char*>(blob) + 2 * i, 2);
    const std::uint32_t bits = static_cast<std::uint32_t>(half) << 16;
    float value = 0;
    std::memcpy(&value, &bits, 4);
    sum[i] += value;
  }
  if (how.decodes_beyond) sum[count] = 1;
  return how.decodes;
}

lhCodecPlugin_t plugin_of(Halves* halves) {
  lhCodecPlugin_t plugin = LH_CODEC_PLUGIN_INITIALIZER;
  plugin.name = "halves";
  plugin.format = 3;
  plugin.blockValues = 16;
  plugin.blockBytes = 32;
  plugin.context = halves;
  plugin.encode = encode;
  plugin.decodeAdd = decode_add;
  return plugin;
}

/// A job whose every rank has the codec.
class Job {
 public:
  explicit Job(const std::vector<int>& shape) : loopback(shape), halves(at(loopback.ranks())) {
    for (int rank = 0; rank < loopback.ranks(); ++rank) {
      const lhCodecPlugin_t plugin = plugin_of(&halves[at(rank)]);
      REQUIRE(lhCommRegisterCodec(loopback[rank], &plugin, &codec) == lhSuccess);
      CHECK(codec == 64);
    }
  }
  lhCallConfig_t call(bool feedback = false) const {
    lhCallConfig_t config = call_with(codec, lhScopeDefault, 5000);
    config.tag = 1;
    config.errorFeedback = feedback ? 1 : 0;
    return config;
  }
  std::vector<Outcome> run(const lhCallConfig_t& config, std::vector<Values>* values, lhDataType_t type = lhFloat32, lhRedOp_t op = lhSum) const {
    return loopback.run([&](int rank, lhComm_t comm) {
      Values& mine = (*values)[at(rank)];
      return lhAllReduceEx(mine.data(), mine.data(), mine.size() * 4 / size_of(type), type, op, &config, comm, nullptr, nullptr);
    });
  }
  /// Small whole numbers, which halves keep, but for `odd`, of which they lose the last bits.
  std::vector<Values> inputs(bool odd = false) const {
    std::vector<Values> all(at(loopback.ranks()), Values(kCount));
    for (std::size_t rank = 0; rank < all.size(); ++rank)
      for (std::size_t i = 0; i < kCount; ++i) all[rank][i] = static_cast<float>((i + rank) % 61) * (odd ? 1.0123F : 1.0F);
    return all;
  }
  /// The rank whose plug-in broke its word says so. Another may have had all it needed.
  void check_fails(lhResult_t code, const char* words) const {
    std::vector<Values> values = inputs();
    const std::vector<Outcome> outcomes = run(call(), &values);
    bool named = false;
    for (const Outcome& outcome : outcomes) {
      named = named || (outcome.code == code && contains(outcome.text, "'halves'") && contains(outcome.text, words));
    }
    INFO(outcomes[0].text << "; " << outcomes[1].text);
    CHECK(named);
    // Nobody succeeds afterwards.
    values = inputs();
    for (const Outcome& outcome : run(call(), &values)) CHECK(outcome.code != lhSuccess);
  }

  Loopback loopback;
  mutable std::vector<Halves> halves;
  lhCodec_t codec = lhCodecDefault;
};

}  // namespace

TEST_CASE("A plug-in codec reduces like the library's own", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {3, 2}, {1, 2, 1}, {2}}) {
    const Job job(shape);
    INFO(job.loopback.name());
    std::vector<Values> values = job.inputs();
    const std::uint64_t before = stats_of(job.loopback[0]).wanBytesSent;
    for (const Outcome& outcome : job.run(job.call(), &values)) {
      INFO(outcome.text);
      CHECK(outcome.code == lhSuccess);
    }
    std::size_t wrong = 0;
    for (const Values& result : values) {
      for (std::size_t i = 0; i < kCount; ++i) {
        float sum = 0;
        for (std::size_t rank = 0; rank < values.size(); ++rank) sum += static_cast<float>((i + rank) % 61);
        wrong += result[i] != sum;
      }
    }
    CHECK(wrong == 0);
    if (shape == std::vector<int>{1, 1}) CHECK(stats_of(job.loopback[0]).wanBytesSent - before < 3 * kCount);
    // Equal at all sites and another for every piece.
    if (shape.size() > 1) CHECK((job.halves.front().seeds.front() == job.halves.back().seeds.front()));
    job.loopback.check_alive();
  }
}

TEST_CASE("A plug-in codec and error feedback", "[integration][loopback]") {
  const Job job({2, 1});
  Values sums(kCount, 0), exact(kCount, 0), last;
  for (int i = 0; i < 16; ++i) {
    std::vector<Values> values = job.inputs(true);
    for (std::size_t k = 0; k < kCount; ++k)
      for (const Values& mine : values) exact[k] += mine[k];
    for (const Outcome& outcome : job.run(job.call(true), &values)) REQUIRE(outcome.code == lhSuccess);
    for (std::size_t k = 0; k < kCount; ++k) sums[k] += values[2][k];
    last = values[0];
    CHECK((values[1] == last));
  }
  double worst = 0;
  for (std::size_t k = 0; k < kCount; ++k) worst = std::max(worst, std::fabs(static_cast<double>(sums[k] - exact[k])));
  // Two contributions of at most 124, cut to 8 bits: up to 1 too little each in every step, but for the last made up for.
  CHECK(worst < 3);
  CHECK(stats_of(job.loopback[2]).feedbackBytes == 4 * kCount);
}

TEST_CASE("What a plug-in cannot carry travels as bf16", "[integration][loopback]") {
  const Job job({1, 1});
  job.halves[1].encodes = lhUnsupported;
  std::vector<Values> values = job.inputs();
  for (const Outcome& outcome : job.run(job.call(), &values)) CHECK(outcome.code == lhSuccess);
  CHECK((values[0] == values[1]));
  CHECK(values[0][70] == 9 + 10);
  job.halves[1].encodes = lhSuccess;
  values = job.inputs();
  values[0][5] = NAN;
  values[1][6] = HUGE_VALF;
  for (const Outcome& outcome : job.run(job.call(), &values)) CHECK(outcome.code == lhSuccess);
  CHECK(std::isnan(values[1][5]));
  CHECK(values[0][6] == HUGE_VALF);
  CHECK(job.halves[0].not_finite + job.halves[1].not_finite == 0);
}

TEST_CASE("A plug-in that breaks its bounds ends the call by name", "[integration][loopback]") {
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}}) {
    for (const bool before : {false, true}) {
      const Job job({1, 1});
      job.halves[0].beyond = bytes;
      job.halves[0].before = before;
      job.check_fails(lhInternalError, "wrote beyond the");
    }
  }
  for (const std::size_t bytes : {std::size_t{1}, std::size_t{1} << 40}) {
    const Job job({1, 1});
    job.halves[1].claims = bytes;
    job.check_fails(lhInternalError, "declared at most");
  }
  {
    const Job job({2, 1});
    job.halves[1].decodes_beyond = true;
    job.check_fails(lhInternalError, "values that it was to add");
  }
  {
    const Job job({1, 2});
    job.halves[0].decodes = lhDataCorrupt;
    job.check_fails(lhDataCorrupt, "cannot decode");
  }
  {
    const Job job({1, 1});
    job.halves[0].encodes = lhSystemError;
    job.check_fails(lhInternalError, "cannot encode");
  }
}

TEST_CASE("Ranks with different plug-ins learn it", "[integration][loopback]") {
  const Loopback job({1, 1});
  std::vector<Halves> halves(2);
  lhCodec_t codec = lhCodecDefault;
  for (int rank = 0; rank < 2; ++rank) {
    lhCodecPlugin_t plugin = plugin_of(&halves[at(rank)]);
    plugin.format = static_cast<unsigned>(rank);
    REQUIRE(lhCommRegisterCodec(job[rank], &plugin, &codec) == lhSuccess);
  }
  const lhCallConfig_t config = call_with(codec);
  for (const Outcome& outcome : job.run([&](int, lhComm_t comm) {
         Values values(kCount);
         return lhAllReduceEx(values.data(), values.data(), kCount, lhFloat32, lhSum, &config, comm, nullptr, nullptr);
       })) {
    CHECK(outcome.code == lhInvalidUsage);
    CHECK_THAT(outcome.text, Catch::Matchers::Contains("plug-in codec 64"));
  }
}

TEST_CASE("Plug-ins that cannot be", "[integration][loopback]") {
  const Loopback job({1, 1});
  Halves halves;
  lhCodec_t codec = lhCodecNone;
  const auto refused = [&](const auto& change, const char* words) {
    lhCodecPlugin_t plugin = plugin_of(&halves);
    change(&plugin);
    CHECK(lhCommRegisterCodec(job[0], &plugin, &codec) == lhInvalidArgument);
    CHECK_THAT(std::string(lhGetLastError(nullptr)), Catch::Matchers::Contains(words));
  };
  using P = lhCodecPlugin_t;
  refused([](P* p) { p->magic = 0; }, "LH_CODEC_PLUGIN_INITIALIZER");
  refused([](P* p) { p->size = 8; }, "LH_CODEC_PLUGIN_INITIALIZER");
  refused([](P* p) { p->name = nullptr; }, "name is 1 to 31");
  refused([](P* p) { p->name = "Halves"; }, "name is 1 to 31");
  refused([](P* p) { p->name = "a-name-that-is-longer-than-31-bytes"; }, "name is 1 to 31");
  refused([](P* p) { p->name = "i8"; }, "'i8'");
  refused([](P* p) { p->blockValues = 0; }, "blockValues is 0");
  refused([](P* p) { p->blockValues = 48; }, "blockValues is 48");
  refused([](P* p) { p->blockValues = 2048; }, "blockValues is 2048");
  refused([](P* p) { p->blockBytes = 0; }, "blockBytes is 0");
  refused([](P* p) { p->blockBytes = 65; }, "blockBytes is 65");
  refused([](P* p) { p->headerBytes = 33; }, "headerBytes is 33");
  refused([](P* p) { p->encode = nullptr; }, "NULL");
  refused([](P* p) { p->decodeAdd = nullptr; }, "NULL");
  const lhCodecPlugin_t fine = plugin_of(&halves);
  CHECK(lhCommRegisterCodec(job[0], nullptr, &codec) == lhInvalidArgument);
  CHECK(lhCommRegisterCodec(job[0], &fine, nullptr) == lhInvalidArgument);
  CHECK(lhCommRegisterCodec(nullptr, &fine, &codec) == lhInvalidArgument);
  float value = 0;
  const lhCallConfig_t early = call_with(static_cast<lhCodec_t>(64));
  CHECK(lhAllReduceEx(&value, &value, 1, lhFloat32, lhSum, &early, job[0], nullptr, nullptr) == lhInvalidArgument);
  CHECK_THAT(std::string(lhGetLastError(nullptr)), Catch::Matchers::Contains("lhCommRegisterCodec"));
  REQUIRE(lhCommRegisterCodec(job[0], &fine, &codec) == lhSuccess);
  CHECK(codec == 64);
  refused([](P*) {}, "registered already, as codec 64");
  const lhCallConfig_t beyond = call_with(static_cast<lhCodec_t>(128));
  CHECK(lhAllReduceEx(&value, &value, 1, lhFloat32, lhSum, &beyond, job[0], nullptr, nullptr) == lhInvalidArgument);
  job.check_alive();
}
