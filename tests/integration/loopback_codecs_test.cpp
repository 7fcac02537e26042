// SPDX-License-Identifier: Apache-2.0
// The lossy codecs as a caller sees them: bit-identical results within the error bound, what is and what is not
// compressed (from the bytes that crossed the WAN).
#include <cmath>

#include "support/elements.h"
#include "support/loopback.h"

using namespace longhaul::testing;

namespace {

/// Nothing, one, odd, and both sides of a block and of several.
const std::vector<std::size_t> kCounts{0, 1, 3, 127, 128, 129, 1023, 1024, 1025, 1000003};
const std::vector<std::size_t> kSomeCounts{1, 129, 50001};

std::size_t at(int index) { return static_cast<std::size_t>(index); }

/// Largest error of one encoding relative to the largest value: half a step of i8's scale (rounded up to 8 bits), or
/// half a unit of bf16.
double encoding_error(lhCodec_t codec) { return codec == lhCodecI8 ? 0.5 / 127 * 1.02 : 0x1p-8; }

struct Reference {
  std::vector<double> sums;
  double bound = 0;
};

/// Every site's contribution is encoded once; with three or more sites their sum may be encoded once more.
Reference make_reference(const Loopback& job, lhDataType_t type, lhCodec_t codec, std::size_t count,
                         const std::vector<Buffer>& inputs) {
  Reference reference{std::vector<double>(count), 0};
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
      largest = std::max(largest, std::fabs(site[i]));
    }
    reference.bound += encoding_error(codec) * largest;
  }
  for (const double sum : reference.sums) largest_sum = std::max(largest_sum, std::fabs(sum));
  if (job.sites() > 2) reference.bound += encoding_error(codec) * (largest_sum + reference.bound);
  const double last = with_type(type, [](auto* t) { return kEpsilon<std::remove_pointer_t<decltype(t)>>; });
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
  with_type(type, [&](auto* t) {
    using T = std::remove_pointer_t<decltype(t)>;
    for (std::size_t i = 0; i < count; ++i) {
      const auto got = static_cast<double>(value_of(load<T>(results[0].data(), i)));
      if (!(std::fabs(got - reference.sums[i] / divisor) <= reference.bound / divisor)) ++wrong;
    }
  });
  CHECK(wrong == 0);
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

TEST_CASE("bf16 and i8: bit-identical on all ranks and within bounds", "[integration][loopback]") {
  for (const auto& shape : std::vector<std::vector<int>>{{1, 1}, {2, 2}, {3, 2}, {2, 1, 2}, {1}}) {
    const Loopback job(shape);
    for (const lhCodec_t codec : {lhCodecBf16, lhCodecI8}) {
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
}

TEST_CASE("A codec named where loss is not allowed is ignored", "[integration][loopback]") {
  const Loopback job({2, 1});
  const std::size_t count = 30011;
  for (const lhCodec_t codec : {lhCodecBf16, lhCodecI8}) {
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
