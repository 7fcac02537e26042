// SPDX-License-Identifier: Apache-2.0
// The order of summation to the bit, NaN and infinities under every codec, averages of integers.
#include <cmath>
#include <limits>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
using Floats = std::vector<float>;

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// Values of very different sizes, so that another order of additions shows.
Floats make_floats(std::size_t count, int rank) {
  Floats values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t random = mix(static_cast<std::uint64_t>(rank) << 32 ^ i);
    const float size = std::ldexp(1 + static_cast<float>(random >> 40) * 0x1p-24F, static_cast<int>(random % 24));
    values[i] = random & 0x100 ? -size : size;
  }
  return values;
}

/// The promised order: the ranks of a site, then the sites.
float fold(const Loopback& job, const std::vector<Floats>& inputs, std::size_t i) {
  float total = 0;
  int rank = 0;
  for (int site = 0; site < job.sites(); ++site) {
    float sum = inputs[at(rank++)][i];
    for (int k = 1; k < job.sizes()[at(site)]; ++k) sum += inputs[at(rank++)][i];
    total = site == 0 ? sum : total + sum;
  }
  return total;
}

bool same_bits(float a, float b) { return std::memcmp(&a, &b, sizeof a) == 0; }

std::vector<Floats> all_reduce(const Loopback& job, const std::vector<Floats>& inputs, lhRedOp_t op, lhCodec_t codec) {
  std::vector<Floats> results(inputs.size(), Floats(inputs[0].size()));
  const lhCallConfig_t config = call_with(codec);
  job.run_ok([&](int rank, lhComm_t comm) {
    return lhAllReduceEx(inputs[at(rank)].data(), results[at(rank)].data(), inputs[0].size(), lhFloat32, op, &config,
                         comm, nullptr, nullptr);
  });
  for (const Floats& result : results)
    CHECK(std::memcmp(result.data(), results[0].data(), result.size() * sizeof(float)) == 0);
  return results;
}

std::vector<Floats> inputs_of(const Loopback& job, std::size_t count) {
  std::vector<Floats> inputs;
  for (int rank = 0; rank < job.ranks(); ++rank) inputs.push_back(make_floats(count, rank));
  return inputs;
}

/// What every site contributes to element i: finite, or one of the values whose arrival is checked.
void plant(std::vector<Floats>* inputs) {
  Floats& first = inputs->front();
  Floats& last = inputs->back();
  first[3] = kNan;
  last[130] = kNan;
  first[131] = last[131] = kNan;
  first[700] = kInf;
  last[701] = -kInf;
  first[702] = kInf;
  last[702] = -kInf;
  for (Floats& input : *inputs) input[1999] = kInf;
}

}  // namespace

TEST_CASE("lhCodecNone sums fp32 in rank order inside a site, then in site order", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {3}, {5, 4, 3}}) {
    const Loopback job(shape);
    for (const std::size_t count : {std::size_t{1}, std::size_t{1025}, std::size_t{600011}}) {
      INFO(job.name() << ", count " << count);
      const std::vector<Floats> inputs = inputs_of(job, count);
      const Floats sum = all_reduce(job, inputs, lhSum, lhCodecNone)[0];
      const Floats average = all_reduce(job, inputs, lhAvg, lhCodecNone)[0];
      std::size_t wrong_sums = 0, wrong_averages = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const float expected = fold(job, inputs, i);
        wrong_sums += !same_bits(sum[i], expected);
        wrong_averages += !same_bits(average[i], expected / static_cast<float>(job.ranks()));
      }
      CHECK(wrong_sums == 0);
      CHECK(wrong_averages == 0);
    }
  }
}

TEST_CASE("lhReduceScatter sums fp32 in the same order", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{2, 2}, {3, 2}, {2, 1, 2}}) {
    const Loopback job(shape);
    INFO(job.name());
    const std::size_t count = 40001;
    const std::vector<Floats> inputs = inputs_of(job, count * at(job.ranks()));
    std::vector<Floats> results(inputs.size(), Floats(count));
    job.run_ok([&](int rank, lhComm_t comm) {
      return lhReduceScatter(inputs[at(rank)].data(), results[at(rank)].data(), count, lhFloat32, lhSum, comm, nullptr);
    });
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < count * inputs.size(); ++i)
      wrong += !same_bits(results[i / count][i % count], fold(job, inputs, i));
    CHECK(wrong == 0);
  }
}

TEST_CASE("NaN and infinities reach every rank in the same elements", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {3}}) {
    const Loopback job(shape);
    for (const lhCodec_t codec : kAllCodecs) {
      for (const lhRedOp_t op : {lhSum, lhAvg, lhMax, lhMin, lhProd}) {
        INFO(job.name() << ", codec " << codec << ", op " << op);
        std::vector<Floats> inputs = inputs_of(job, 2000);
        if (op == lhProd)
          for (Floats& input : inputs) std::fill(input.begin(), input.end(), 1.5F);
        plant(&inputs);
        const Floats result = all_reduce(job, inputs, op, codec)[0];
        for (const std::size_t i : {std::size_t{3}, std::size_t{130}, std::size_t{131}}) CHECK(std::isnan(result[i]));
        const bool sums = op == lhSum || op == lhAvg;
        CHECK((op == lhMin ? std::isfinite(result[700]) : result[700] == kInf));
        CHECK((op == lhMax ? std::isfinite(result[701]) : result[701] == -kInf));
        CHECK((sums ? std::isnan(result[702]) : result[702] == (op == lhMax ? kInf : -kInf)));
        CHECK(result[1999] == kInf);
        std::size_t finite = 0;
        for (const float value : result) finite += std::isfinite(value);
        CHECK(finite == 2000 - (op == lhMax || op == lhMin ? 6 : 7));
      }
    }
  }
}

TEST_CASE("lhMax and lhMin of anything with NaN are NaN in every float type", "[integration][loopback]") {
  const Loopback job({2, 1, 2});
  for (const lhRedOp_t op : {lhMax, lhMin}) {
    for (int holder = 0; holder < job.ranks(); ++holder) {
      INFO("op " << op << ", NaN at rank " << holder);
      std::vector<double> doubles(at(job.ranks()));
      std::vector<std::uint16_t> halves(at(job.ranks())), brains(at(job.ranks()));
      job.run_ok([&](int rank, lhComm_t comm) {
        const double wide = rank == holder ? std::numeric_limits<double>::quiet_NaN() : rank;
        const std::uint16_t half = rank == holder ? 0x7e00 : 0x3c00, brain = rank == holder ? 0x7fc0 : 0x3f80;
        lhResult_t result = lhAllReduce(&wide, &doubles[at(rank)], 1, lhFloat64, op, comm, nullptr);
        if (result == lhSuccess) result = lhAllReduce(&half, &halves[at(rank)], 1, lhFloat16, op, comm, nullptr);
        if (result == lhSuccess) result = lhAllReduce(&brain, &brains[at(rank)], 1, lhBfloat16, op, comm, nullptr);
        return result;
      });
      for (int rank = 0; rank < job.ranks(); ++rank) {
        CHECK(std::isnan(doubles[at(rank)]));
        CHECK(std::isnan(value_of(Half{halves[at(rank)]})));
        CHECK(std::isnan(value_of(Brain{brains[at(rank)]})));
      }
    }
  }
}

TEST_CASE("lhAvg of integers truncates toward zero", "[integration][loopback]") {
  const Loopback job({2, 1});
  for (int sum = -7; sum <= 7; ++sum) {
    INFO("sum " << sum << " of 3 ranks");
    std::vector<std::int8_t> small(3);
    std::vector<std::int64_t> large(3);
    job.run_ok([&](int rank, lhComm_t comm) {
      const auto mine = static_cast<std::int8_t>(rank == 1 ? sum - 100 : 50);
      const std::int64_t wide = rank == 1 ? sum - 2'000'000'000'000 : 1'000'000'000'000;
      const lhResult_t result = lhAllReduce(&mine, &small[at(rank)], 1, lhInt8, lhAvg, comm, nullptr);
      if (result != lhSuccess) return result;
      return lhAllReduce(&wide, &large[at(rank)], 1, lhInt64, lhAvg, comm, nullptr);
    });
    for (int rank = 0; rank < 3; ++rank) {
      CHECK(static_cast<int>(small[at(rank)]) == sum / 3);
      CHECK(large[at(rank)] == sum / 3);
    }
  }
}
