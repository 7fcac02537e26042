// SPDX-License-Identifier: Apache-2.0
// The codecs as a caller sees them: bit-identical results within the error bound, and of lossless the bits of no codec at all; what
// is and what is not compressed (from the bytes that crossed the WAN).
#include <cmath>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

/// Nothing, one, odd, and both sides of a block and of several.
const std::vector<std::size_t> kCounts{0, 1, 3, 127, 128, 129, 1023, 1024, 1025, 1000003};
const std::vector<std::size_t> kSomeCounts{1, 129, 50001};

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// What one encoding may lose: of any value, relative to the largest, and of the sum of squares.
struct Loss {
  lhCodec_t codec;
  double largest, energy;
};
constexpr Loss kLosses[] = {
    {lhCodecBf16, 0x1p-8, 1e-5},             // half a unit
    {lhCodecI8, 0.5 / 127 * 1.02, 1e-4},     // half a step of a scale that is rounded up to 8 bits
    {lhCodecR4, 1.0, 0.012},                 // of the codecs that rotate: ten standard deviations
    {lhCodecF4, 0.5 / 3 * 1.126, 0.0125},    // half a step of a scale that is rounded up to 4 bits
    {lhCodecR2, 3.7, 0.14},
};
constexpr lhCodec_t kLossy[] = {lhCodecBf16, lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2};

Loss loss_of(lhCodec_t codec) { return *std::find_if(std::begin(kLosses), std::end(kLosses), [&](const Loss& l) { return l.codec == codec; }); }

struct Reference {
  std::vector<double> sums;
  double bound = 0;   // of the error of any element
  double energy = 0;  // of the sum of the squares of all errors
};

/// Every site's contribution is encoded once.
Reference make_reference(const Loopback& job, lhDataType_t type, lhCodec_t codec, std::size_t count,
                         const std::vector<Buffer>& inputs) {
  Reference reference{std::vector<double>(count)};
  std::vector<double> site(count);
  double largest_sum = 0;
  int rank = 0;
  for (const int size : job.sizes()) {
    double largest = 0;
    std::fill(site.begin(), site.end(), 0.0);
    for (int k = 0; k < size; ++k, ++rank) {
      with_type(type, [&](auto* t) {
        using T = std::remove_pointer_t<decltype(t)>;
        for (std::size_t i = 0; i < count; ++i)
          site[i] += static_cast<double>(value_of(load<T>(inputs[at(rank)].data(), i)));
      });
    }
    for (std::size_t i = 0; i < count; ++i) {
      reference.sums[i] += site[i];
      reference.energy += loss_of(codec).energy * site[i] * site[i];
      largest = std::max(largest, std::fabs(site[i]));
    }
    reference.bound += loss_of(codec).largest * largest;
  }
  for (const double sum : reference.sums) largest_sum = std::max(largest_sum, std::fabs(sum));
  const double last = with_type(type, [](auto* t) { return kEpsilon<std::remove_pointer_t<decltype(t)>>; });
  for (const double sum : reference.sums) reference.energy += std::pow((last + 0x1p-20) * sum, 2);
  reference.bound += (last + 0x1p-20) * largest_sum;
  return reference;
}

void check_codec(const Loopback& job, lhDataType_t type, lhRedOp_t op, lhCodec_t codec, std::size_t count) {
  INFO(job.name() << ", codec " << codec << ", type " << type << ", op " << op << ", count " << count);
  std::vector<Buffer> inputs, results(at(job.ranks()), Buffer(count * size_of(type)));
  for (int rank = 0; rank < job.ranks(); ++rank) inputs.push_back(make_input(type, op, count, rank, count));
  const lhCallConfig_t config = call_with(codec);
  job.run_ok([&](int rank, lhComm_t comm) {
    return lhAllReduceEx(inputs[at(rank)].data(), results[at(rank)].data(), count, type, op, &config, comm, nullptr,
                         nullptr);
  });
  for (const Buffer& result : results) CHECK((result == results[0]));
  const Reference reference = make_reference(job, type, codec, count, inputs);
  const double divisor = op == lhAvg ? job.ranks() : 1;
  std::size_t wrong = 0;
  double energy = 0;
  with_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for (std::size_t i = 0; i < count; ++i) {
      const auto got = static_cast<double>(value_of(load<T>(results[0].data(), i)));
      const double error = std::fabs(got * divisor - reference.sums[i]);
      if (!(error <= reference.bound)) ++wrong;
      energy += error * error;
    }
  });
  CHECK(wrong == 0);
  if (job.sites() > 1 && count >= 50000) CHECK(energy <= reference.energy);
}

/// The result of one all-reduce on every rank.
std::vector<Buffer> all_reduce(const Loopback& job, const std::vector<Buffer>& inputs, lhDataType_t type, lhRedOp_t op, lhCodec_t codec) {
  std::vector<Buffer> results(inputs.size(), Buffer(inputs[0].size()));
  const lhCallConfig_t config = call_with(codec);
  job.run_ok([&](int rank, lhComm_t comm) {
    const std::size_t count = inputs[0].size() / size_of(type);
    return lhAllReduceEx(inputs[at(rank)].data(), results[at(rank)].data(), count, type, op, &config, comm, nullptr, nullptr);
  });
  return results;
}

/// Bytes that one all-reduce (or reduce-scatter) of `count` elements sends from rank 0.
std::uint64_t bytes_sent(const Loopback& job, std::size_t count, lhDataType_t type, lhRedOp_t op, lhCodec_t codec,
                         bool scatter = false) {
  const std::size_t parts = scatter ? at(job.ranks()) : 1;
  std::vector<Buffer> inputs, results(at(job.ranks()), Buffer(count * size_of(type)));
  for (int rank = 0; rank < job.ranks(); ++rank) inputs.push_back(make_input(type, op, count * parts, rank));
  const lhCallConfig_t config = call_with(codec);
  const std::uint64_t before = stats_of(job[0]).wanBytesSent;
  job.run_ok([&](int rank, lhComm_t comm) {
    const void* send = inputs[at(rank)].data();
    void* recv = results[at(rank)].data();
    if (scatter) return lhReduceScatter(send, recv, count, type, op, comm, nullptr);
    return lhAllReduceEx(send, recv, count, type, op, &config, comm, nullptr, nullptr);
  });
  // After a barrier rank 0 has sent whatever the call needed of it.
  job.run_ok([](int, lhComm_t comm) { return lhBarrier(comm, nullptr); });
  return stats_of(job[0]).wanBytesSent - before;
}

}  // namespace

TEST_CASE("lossy codecs: bit-identical on all ranks and within bounds", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {1}}) {
    const Loopback job(shape);
    for (const lhCodec_t codec : kLossy) {
      for (const std::size_t count : kCounts) {
        check_codec(job, lhFloat32, lhSum, codec, count);
        check_codec(job, lhFloat32, lhAvg, codec, count);
      }
      for (const std::size_t count : kSomeCounts) {
        check_codec(job, lhFloat16, lhSum, codec, count);
        check_codec(job, lhBfloat16, lhAvg, codec, count);
      }
    }
  }
}

TEST_CASE("lossless gives the very bits of no codec", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {1}}) {
    const Loopback job(shape);
    for (const lhDataType_t type : {lhFloat32, lhBfloat16, lhFloat16}) {
      for (const lhRedOp_t op : {lhSum, lhAvg}) {
        for (const std::size_t count : {std::size_t{1}, std::size_t{1025}, std::size_t{300007}}) {
          INFO(job.name() << ", type " << type << ", op " << op << ", count " << count);
          std::vector<Buffer> inputs;
          for (int rank = 0; rank < job.ranks(); ++rank) inputs.push_back(make_input(type, op, count, rank));
          // Not only numbers: bits of all kinds, NaN and Inf among them, at one rank.
          for (std::size_t i = 0; i < count * size_of(type); i += 97) inputs[0][i] = static_cast<std::byte>(i * 31 % 256);
          CHECK((all_reduce(job, inputs, type, op, lhCodecLossless) == all_reduce(job, inputs, type, op, lhCodecNone)));
        }
      }
    }
  }
}

TEST_CASE("What a codec refuses at one site is added to what the others sent", "[integration][loopback]") {
  const std::size_t count = 60000;
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1, 1}, {2, 3}}) {
    const Loopback job(shape);
    for (const lhCodec_t codec : {lhCodecI8, lhCodecR4, lhCodecF4, lhCodecR2}) {
      INFO(job.name() << ", codec " << codec);
      std::vector<Buffer> inputs;
      for (int rank = 0; rank < job.ranks(); ++rank) inputs.push_back(make_input(lhFloat32, lhSum, count, rank));
      const Reference reference = make_reference(job, lhFloat32, codec, count, inputs);
      store(inputs.back().data(), 12345, HUGE_VALF);
      store(inputs.front().data(), 54321, 0x1p120F);  // finite, but beyond what the 4- and 2-bit codecs carry
      const std::vector<Buffer> results = all_reduce(job, inputs, lhFloat32, lhSum, codec);
      for (const Buffer& result : results) CHECK((result == results[0]));
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const auto got = static_cast<double>(load<float>(results[0].data(), i));
        bool fine = std::fabs(got - reference.sums[i]) <= reference.bound;
        if (codec == lhCodecI8 && i / 128 == 54321 / 128) fine = true;  // all are small beside 2^120
        if (i == 54321) fine = std::fabs(got / 0x1p120 - 1) < 0x1p-8;
        if (i == 12345) fine = got == HUGE_VAL;
        wrong += fine ? 0u : 1u;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("A codec shrinks what crosses the WAN", "[integration][loopback]") {
  const Loopback job({1, 1});
  const std::size_t count = 250000;
  const auto raw = static_cast<double>(4 * count);
  const auto none = static_cast<double>(bytes_sent(job, count, lhFloat32, lhSum, lhCodecNone));
  const auto bf16 = static_cast<double>(bytes_sent(job, count, lhFloat32, lhSum, lhCodecBf16));
  const auto i8 = static_cast<double>(bytes_sent(job, count, lhFloat32, lhSum, lhCodecI8));
  CHECK(none >= raw);
  CHECK(none < 1.1 * raw);
  CHECK(bf16 >= raw / 2);
  CHECK(bf16 < 0.55 * raw);
  CHECK(i8 >= raw / 4);
  CHECK(i8 < 0.29 * raw);
  const auto sent = [&](lhCodec_t codec) { return static_cast<double>(bytes_sent(job, count, lhFloat32, lhSum, codec)); };
  CHECK(sent(lhCodecR4) >= raw * 4.06 / 32);
  CHECK(sent(lhCodecR4) < raw * 5 / 32);
  CHECK(sent(lhCodecF4) >= raw * 4.5 / 32);
  CHECK(sent(lhCodecF4) < raw * 5.4 / 32);
  CHECK(sent(lhCodecR2) >= raw * 2.01 / 32);
  CHECK(sent(lhCodecR2) < raw * 2.8 / 32);
  CHECK(sent(lhCodecLossless) >= raw * 24 / 32);
  CHECK(sent(lhCodecLossless) < raw * 28 / 32);
  // bf16 values in one rank a site stay 16 bits wide under lossless, and are compressed; fp16 is left alone.
  CHECK(bytes_sent(job, count, lhBfloat16, lhSum, lhCodecLossless) < 2 * count * 12 / 16);
  CHECK(bytes_sent(job, count, lhFloat16, lhSum, lhCodecLossless) >= 2 * count);
}

TEST_CASE("A codec named where loss is not allowed is ignored", "[integration][loopback]") {
  const Loopback job({2, 1});
  const std::size_t count = 30011;
  for (const lhCodec_t codec : kAllCodecs) {
    for (const lhDataType_t type : {lhInt8, lhUint32, lhInt64, lhFloat64, lhFloat32, lhBfloat16}) {
      for (const lhRedOp_t op : {lhSum, lhProd, lhMax, lhMin, lhAvg}) {
        const bool lossy = (type == lhFloat32 || type == lhBfloat16) && (op == lhSum || op == lhAvg);
        if (lossy) continue;
        INFO("codec " << codec << ", type " << type << ", op " << op);
        std::vector<Buffer> inputs, results(3, Buffer(count * size_of(type)));
        for (int rank = 0; rank < 3; ++rank) inputs.push_back(make_input(type, op, count, rank));
        const lhCallConfig_t config = call_with(codec);
        job.run_ok([&](int rank, lhComm_t comm) {
          return lhAllReduceEx(inputs[at(rank)].data(), results[at(rank)].data(), count, type, op, &config, comm,
                               nullptr, nullptr);
        });
        for (const Buffer& result : results) CHECK(count_wrong(type, op, result.data(), count, inputs) == 0);
      }
    }
  }
}

TEST_CASE("The configured codec applies from min_compress_bytes upwards, to all-reduce only",
          "[integration][loopback]") {
  const Loopback job({1, 1}, "codec=i8,min_compress_bytes=64KiB");
  const std::size_t limit = 65536;
  CHECK(bytes_sent(job, limit / 4, lhFloat32, lhSum, lhCodecDefault) < limit / 2);
  CHECK(bytes_sent(job, limit / 4, lhFloat32, lhAvg, lhCodecDefault) < limit / 2);
  CHECK(bytes_sent(job, limit / 4 - 1, lhFloat32, lhSum, lhCodecDefault) >= limit - 4);
  // A codec named by the call has no lower limit, and none is none.
  CHECK(bytes_sent(job, limit / 8, lhFloat32, lhSum, lhCodecI8) < limit / 4);
  CHECK(bytes_sent(job, limit / 4, lhFloat32, lhSum, lhCodecNone) >= limit);
  CHECK(bytes_sent(job, limit, lhInt32, lhSum, lhCodecDefault) >= 4 * limit);
  CHECK(bytes_sent(job, limit, lhFloat32, lhMax, lhCodecDefault) >= 4 * limit);
  CHECK(bytes_sent(job, limit, lhFloat32, lhSum, lhCodecDefault, true) >= 4 * limit);

  const Loopback usual({1, 1}, "codec=bf16");
  const std::size_t mebibyte = 1 << 20;
  CHECK(bytes_sent(usual, mebibyte / 4, lhFloat32, lhSum, lhCodecDefault) < mebibyte * 6 / 10);
  CHECK(bytes_sent(usual, mebibyte / 4 - 1, lhFloat32, lhSum, lhCodecDefault) >= mebibyte - 4);

  const Loopback without({1, 1});
  CHECK(bytes_sent(without, mebibyte / 2, lhFloat32, lhSum, lhCodecDefault) >= 2 * mebibyte);
}
