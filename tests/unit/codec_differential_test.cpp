// SPDX-License-Identifier: Apache-2.0
// Every codec in every instruction set equals its reference byte for byte, both directions: a million random blocks, sizes around
// blocks, any alignment, hostile numbers and hostile blobs. All buffers lie against forbidden pages.
#include "codec/codec.h"
#include "support/catch.h"
#include "support/guard_pages.h"
#include "support/simd_targets.h"
#include "unit/kernels_support.h"

using namespace longhaul;

namespace {

constexpr std::size_t kMostCount = 20000;

/// Ready-made samples, since drawing them takes longer than encoding.
class Pools {
 public:
  Pools() {
    Random random(21);
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) pools_.push_back(test::samples(random, kind, 3 * kMostCount));
  }
  const float* draw(Random& random, std::uint64_t kind) const { return pools_[kind].data() + random.below(2 * kMostCount); }

 private:
  std::vector<std::vector<float>> pools_;
};

const Pools& pools() {
  static const Pools pools;
  return pools;
}

/// One codec in all its forms over the same buffers. Quiet unless they differ: a Catch2 assertion per block would be slow.
class Differential {
 public:
  explicit Differential(const codec::Codec& codec)
      : codec_(codec),
        in_(4 * kMostCount),
        expected_(codec.most_bytes(kMostCount)),
        actual_(codec.most_bytes(kMostCount)),
        expected_sum_(4 * codec.accumulator_values(kMostCount)),
        actual_sum_(4 * codec.accumulator_values(kMostCount)) {}

  /// Encodes, and decodes what came out.
  bool same(Random& random, const float* values, std::size_t count, const float* before) {
    const bool end = random.chance(0.5);
    auto* in = reinterpret_cast<float*>(in_.place(4 * count, end));
    if (count) std::memcpy(in, values, 4 * count);
    const codec::Rotation rotation{random.next(), random.next(), static_cast<std::uint32_t>(random.next())};
    const std::size_t most = codec_.most_bytes(count);
    std::byte* expected = expected_.place(most, end);
    const std::size_t size = codec_.kernels->reference->encode(in, count, rotation, expected);
    if (size == codec::kNone ? codec_.id == lhCodecBf16 || codec_.id == lhCodecLossless : size > most) return false;
    for (const std::int64_t target : targets_) {
      const test::UseTarget use(target);
      std::byte* actual = actual_.place(most, end);
      if (codec_.encode(in, count, rotation, actual) != size) return false;
      if (size != codec::kNone && count && std::memcmp(expected, actual, size) != 0) return false;
    }
    return size == codec::kNone || same_decode(random, std::vector(expected, expected + size), count, before, rotation);
  }

  /// Any bytes: accepted or refused, and if accepted decoded to the same.
  bool same_decode(Random& random, const std::vector<std::byte>& bytes, std::size_t count, const float* before, const codec::Rotation& rotation) {
    const bool end = random.chance(0.5), first = random.chance(0.3);
    std::byte* blob = expected_.place(bytes.size(), end);
    if (!bytes.empty()) std::memcpy(blob, bytes.data(), bytes.size());
    if (codec_.blob_bytes({blob, bytes.size()}, count) != bytes.size()) return true;
    const std::size_t values = codec_.accumulator_values(count);
    auto* expected = reinterpret_cast<float*>(expected_sum_.place(4 * values, end));
    auto* actual = reinterpret_cast<float*>(actual_sum_.place(4 * values, end));
    if (count) std::memcpy(expected, before, 4 * values);
    codec_.kernels->reference->decode_add(blob, count, first, expected);
    if (codec_.rotates()) codec_.kernels->reference->finish(expected, count, rotation);
    for (const std::int64_t target : targets_) {
      const test::UseTarget use(target);
      if (count) std::memcpy(actual, before, 4 * values);
      if (!codec_.decode_add({blob, bytes.size()}, count, first, actual)) return false;
      codec_.finish(actual, count, rotation);
      if (count && std::memcmp(expected, actual, 4 * values) != 0) return false;
    }
    return true;
  }

 private:
  const codec::Codec& codec_;
  const std::vector<std::int64_t> targets_ = test::simd_targets();
  test::GuardPages in_, expected_, actual_, expected_sum_, actual_sum_;
};

/// Values of a block, and how many such blocks a run tests: a million together, fewer where the reference is slow.
struct Share {
  lhCodec_t codec;
  std::size_t block, blocks;
};
constexpr Share kShares[] = {{lhCodecBf16, 16, 250000}, {lhCodecI8, 128, 200000}, {lhCodecF4, 16, 380000},
                             {lhCodecR4, 256, 50000},   {lhCodecR2, 1024, 8000},  {lhCodecLossless, 32, 120000}};

}  // namespace

TEST_CASE("a million random blocks: every instruction set equals the specification", "[unit]") {
  std::size_t blocks = 0;
  for (const codec::Codec& codec : codec::all()) {
    const auto* share = std::find_if(std::begin(kShares), std::end(kShares), [&](const Share& s) { return s.codec == codec.id; });
    REQUIRE(share != std::end(kShares));
    Differential differential(codec);
    Random random(7);
    std::vector<int> wrong(test::kKinds);
    std::size_t tested = 0;
    for (std::uint64_t run = 0; tested < share->blocks; ++run) {
      const std::uint64_t kind = run % test::kKinds;
      const std::size_t some = 1 + random.below(4096 / share->block + 3);
      const std::size_t count = some * share->block - (random.chance(0.5) ? 0 : random.below(share->block));
      const float* before = pools().draw(random, random.chance(0.1) ? test::kKinds - 1 : random.below(test::kHostileFrom));
      wrong[kind] += differential.same(random, pools().draw(random, kind), count, before) ? 0 : 1;
      tested += some;
    }
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
      INFO("codec " << codec.name << " kind " << kind);
      CHECK(wrong[kind] == 0);
    }
    blocks += tested;
  }
  CHECK(blocks >= 1000000);
}

TEST_CASE("every instruction set equals the specification for every kind of count", "[unit]") {
  for (const codec::Codec& codec : codec::all()) {
    Differential differential(codec);
    Random random(8);
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
      for (const std::size_t count : {0u,   1u,   2u,   7u,   8u,   9u,   15u,  16u,   17u,   31u,   32u,   33u,   63u,   64u,    127u,  128u,
                                      129u, 255u, 256u, 257u, 511u, 513u, 767u, 1023u, 1024u, 1025u, 2047u, 2048u, 4095u, 10003u, 20000u}) {
        for (int repeat = 0; repeat < 4; ++repeat) {  // other ends of the buffers
          INFO("codec " << codec.name << " kind " << kind << " count " << count);
          REQUIRE(differential.same(random, pools().draw(random, kind), count, pools().draw(random, kind)));
        }
      }
    }
  }
}

TEST_CASE("hostile blobs decode as the specification says", "[unit]") {
  for (const codec::Codec& codec : codec::all()) {
    Differential differential(codec);
    Random random(9);
    for (int run = 0; run < 3000; ++run) {
      const std::size_t count = random.below(run % 4 == 0 ? 40 : 2500);
      std::vector<std::byte> blob(codec.most_bytes(count));
      const std::uint64_t kind = random.below(test::kKinds);
      std::size_t size = codec.encode(pools().draw(random, kind), count, {}, blob.data());
      if (size == codec::kNone) size = codec.encode(std::vector<float>(count).data(), count, {}, blob.data());
      REQUIRE(size != codec::kNone);
      blob.resize(size);
      const std::uint64_t changes = run % 3 == 0 ? 4 * size : random.below(8);  // all bytes, or a few
      for (std::uint64_t i = 0; i < changes && size > 0; ++i) {
        const std::size_t at = run % 3 == 0 ? i % size : random.chance(0.5) ? random.below(std::min<std::size_t>(size, 180)) : random.below(size);
        // A header that is refused tests nothing: the change is taken back.
        const std::byte kept = std::exchange(blob[at], static_cast<std::byte>(random.next()));
        if (codec.blob_bytes(blob, count) != size) blob[at] = kept;
      }
      INFO("codec " << codec.name << " run " << run << " count " << count);
      REQUIRE(differential.same_decode(random, blob, count, pools().draw(random, test::kKinds - 1), {}));
    }
  }
}

TEST_CASE("NaN, Inf and what is too large are found at every position", "[unit]") {
  for (const codec::Codec& codec : codec::all()) {
    std::vector<float> values(codec.id == lhCodecR2 ? 2100 : 600, 1.0f);
    std::vector<std::byte> blob(codec.most_bytes(values.size()));
    const bool carries = codec.id == lhCodecBf16 || codec.id == lhCodecLossless;
    const auto wrong = [&] {
      int count = 0;
      for (const std::int64_t target : test::simd_targets()) {
        const test::UseTarget use(target);
        count += (codec.encode(values.data(), values.size(), {}, blob.data()) == codec::kNone) == carries ? 1 : 0;
      }
      return count;
    };
    for (std::size_t position = 0; position < values.size(); position += codec.rotates() ? 7u : 1u) {
      for (const std::uint32_t bits : {0x7f800000u, 0xff800000u, 0x7f800001u, 0xffc00000u}) {
        values[position] = std::bit_cast<float>(bits);
        INFO("codec " << codec.name << " position " << position);
        REQUIRE(wrong() == 0);
      }
      values[position] = 1.0f;
    }
    CHECK(codec.encode(values.data(), values.size(), {}, blob.data()) != codec::kNone);
  }
}
