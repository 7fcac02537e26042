// SPDX-License-Identifier: Apache-2.0
// Golden vectors: tests/golden/codecs.txt, computed by an independent implementation (codecs.py), in both forms of every codec and
// in every instruction set. They may change only with the wire version. This file is also compiled with kernels whose floating
// point is contracted, and in CI by two compilers: the digests hold for all of them.
#include <fstream>
#include <sstream>
#include <string>

#include "codec/codec.h"
#include "support/catch.h"
#include "support/golden.h"
#include "support/simd_targets.h"
#include "unit/kernels_support.h"

using namespace longhaul;
using namespace longhaul::test::golden;

namespace {

/// Size and digests of one form's blob and of what it decodes to.
std::string outcome(const codec::Codec& codec, const kernels::CodecForm& form, const std::vector<float>& values) {
  std::vector<std::byte> blob(codec.most_bytes(values.size()));
  const std::size_t size = form.encode(values.data(), values.size(), kRotation, blob.data());
  if (size == codec::kNone) return "refused";
  std::vector<float> decoded(codec.accumulator_values(values.size()));
  form.decode_add(blob.data(), values.size(), true, decoded.data());
  if (form.finish) form.finish(decoded.data(), values.size(), kRotation);
  return fmt::format("{} {} {}", size, digest(blob.data(), size), digest(decoded.data(), 4 * values.size()));
}

}  // namespace

TEST_CASE("golden vectors of every codec", "[unit]") {
#ifdef LH_NEEDS_AVX2
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
    WARN("not run: these kernels need AVX2");
    return;
  }
#endif
  std::ifstream file(LH_GOLDEN_DIR "/codecs.txt");
  std::string line, name, pattern;
  std::size_t lines = 0, count = 0;
  for (; std::getline(file, line); ++lines) {
    std::istringstream fields(line);
    std::string expected;
    fields >> name >> pattern >> count;
    std::getline(fields >> std::ws, expected);
    INFO(line);
    const auto id = codec::parse(name);
    REQUIRE(id.has_value());
    const codec::Codec& codec = *codec::find(*id);
    std::vector<float> values;
    for (std::uint32_t i = 0; i < count; ++i) values.push_back(value_of(pattern, i));
    CHECK(outcome(codec, *codec.kernels->reference, values) == expected);
    for (const std::int64_t target : test::simd_targets()) {
      const test::UseTarget use(target);
      INFO(hwy::TargetName(target));
      CHECK(outcome(codec, *codec.kernels->simd, values) == expected);
    }
  }
  CHECK(lines == kPatterns * kCounts * codec::all().size());
}
