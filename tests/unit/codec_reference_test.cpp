// SPDX-License-Identifier: Apache-2.0
// The form of every codec that the library runs equals its specification (kernels/reference) byte for byte, both
// directions, for any input and any bytes, at any address and count, and writes nothing outside its buffers.
#include "codec/codec.h"
#include "kernels/reference/bf16.h"
#include "kernels/reference/i8.h"
#include "support/catch.h"
#include "unit/kernels_support.h"

using namespace longhaul;
using test::Guarded;

namespace {

struct Reference {
  lhCodec_t id;
  std::size_t (*bytes)(std::size_t);
  bool (*encode)(const float*, std::size_t, std::byte*);
  void (*decode_add)(const std::byte*, std::size_t, bool, float*);
};

bool encode_bf16(const float* in, std::size_t count, std::byte* out) {
  kernels::reference::bf16_encode(in, count, out);
  return true;
}

const Reference kReferences[] = {
    {lhCodecBf16, kernels::reference::bf16_bytes, encode_bf16, kernels::reference::bf16_decode_add},
    {lhCodecI8, kernels::reference::i8_bytes, kernels::reference::i8_encode, kernels::reference::i8_decode_add},
};

const codec::Codec& codec_of(const Reference& reference) {
  const codec::Codec* found = codec::find(reference.id);
  REQUIRE(found != nullptr);
  return *found;
}

/// Decodes the blob onto `before` in both forms. Quiet unless they differ: a Catch2 assertion per block would be slow.
bool same_decode(const Reference& reference, Random& random, Guarded& blob, const std::vector<float>& before) {
  const codec::Codec& codec = codec_of(reference);
  bool same = true;
  for (const bool first : {true, false}) {
    Guarded expected(4 * before.size(), random.below(64)), actual(4 * before.size(), random.below(64));
    expected.fill(before);
    actual.fill(before);
    reference.decode_add(blob.data(), before.size(), first, expected.floats());
    same &= codec.decode_add({blob.data(), blob.size()}, before.size(), first, actual.floats());
    same &= expected.copy() == actual.copy() && actual.intact() && expected.intact();
  }
  return same;
}

/// Both forms accept the same inputs and give the same bytes, which decode to the same sums.
bool same_codec(const Reference& reference, Random& random, const std::vector<float>& values,
                const std::vector<float>& before) {
  const codec::Codec& codec = codec_of(reference);
  const std::size_t bytes = codec.encoded_bytes(values.size());
  if (bytes != reference.bytes(values.size())) return false;
  Guarded in(4 * values.size(), random.below(64)), expected(bytes, random.below(64)), actual(bytes, random.below(64));
  in.fill(values);
  const bool accepted = reference.encode(in.floats(), values.size(), expected.data());
  if (codec.encode(in.floats(), values.size(), actual.data()) != accepted) return false;
  if (!actual.intact() || !expected.intact() || !in.intact()) return false;
  if (!accepted) return true;
  return expected.copy() == actual.copy() && same_decode(reference, random, actual, before);
}

}  // namespace

TEST_CASE("codecs equal their specification on 200000 random blocks", "[unit]") {
  for (const Reference& reference : kReferences) {
    Random random(7);
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
      int wrong = 0;
      for (int run = 0; run < 1250; ++run) {  // x 16 blocks x 10 kinds
        const auto values = test::samples(random, kind, 16 * 128);
        const auto before = test::samples(random, run % 2 == 0 ? kind : test::kKinds - 1, values.size());
        wrong += same_codec(reference, random, values, before) ? 0 : 1;
      }
      INFO("codec " << codec_of(reference).name << " kind " << kind);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("codecs equal their specification for every kind of count", "[unit]") {
  for (const Reference& reference : kReferences) {
    Random random(8);
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
      for (const std::size_t count :
           {0u, 1u, 2u, 7u, 8u, 9u, 63u, 127u, 128u, 129u, 255u, 256u, 1023u, 1024u, 1025u, 10003u}) {
        INFO("codec " << codec_of(reference).name << " kind " << kind << " count " << count);
        CHECK(same_codec(reference, random, test::samples(random, kind, count), test::samples(random, kind, count)));
      }
    }
  }
}

TEST_CASE("any bytes of the right size decode as the specification says", "[unit]") {
  for (const Reference& reference : kReferences) {
    Random random(9);
    for (int run = 0; run < 500; ++run) {
      const std::size_t count = random.below(1500);
      Guarded blob(codec_of(reference).encoded_bytes(count), random.below(64));
      for (std::size_t i = 0; i < blob.size(); ++i) blob.data()[i] = static_cast<std::byte>(random.next());
      INFO("codec " << codec_of(reference).name << " run " << run << " count " << count);
      REQUIRE(same_decode(reference, random, blob, test::samples(random, test::kKinds - 1, count)));
    }
  }
}

TEST_CASE("i8 refuses NaN and Inf at every position; the fallback carries them", "[unit]") {
  const codec::Codec& i8 = *codec::find(lhCodecI8);
  std::vector<float> values(300, 1.0f);
  std::vector<std::byte> blob(i8.encoded_bytes(values.size()));
  const auto refused = [&] {
    return !i8.encode(values.data(), values.size(), blob.data()) &&
           !kernels::reference::i8_encode(values.data(), values.size(), blob.data());
  };
  for (std::size_t position = 0; position < values.size(); ++position) {
    for (const std::uint32_t bits : {0x7f800000u, 0xff800000u, 0x7f800001u, 0xffc00000u}) {
      values[position] = std::bit_cast<float>(bits);
      REQUIRE(refused());
    }
    values[position] = 1.0f;
  }
  CHECK_FALSE(refused());
}
