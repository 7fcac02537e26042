// SPDX-License-Identifier: Apache-2.0
// Golden vectors: tests/golden/codecs.txt, computed by an independent implementation (codecs.py), in both forms of every codec and
// in every instruction set. They may change only with the wire version. This file is also compiled with kernels whose floating
// point is contracted, and in CI by two compilers: the digests hold for all of them.
#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>

#include "codec/codec.h"
#include "support/catch.h"
#include "support/simd_targets.h"
#include "unit/kernels_support.h"

using namespace longhaul;

namespace {

const codec::Rotation kRotation{.key = 0x0123456789abcdef, .operation = 0x1122334455667788, .chunk = 5};

std::string digest(const void* data, std::size_t size) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const std::uint8_t*>(data)[i]) * 0x100000001b3;
  return fmt::format("{:016x}", hash);
}

std::uint32_t mixed(std::uint32_t i) {
  std::uint32_t x = i * 2654435761u + 12345u;
  x = (x ^ x >> 16) * 0x45d9f3bu;
  return x ^ x >> 16;
}

float spread(std::uint32_t i) { return std::bit_cast<float>((mixed(i) & 0x807fffff) | (127 - mixed(i + 1000000) % 24) << 23); }

float value_of(const std::string& pattern, std::uint32_t i) {
  if (pattern == "steps") {
    const std::uint64_t square = static_cast<std::uint64_t>(i) * i * 37;
    return static_cast<float>(static_cast<int>((square + i * 11) % 2003) - 1001) * 0x1p-7f * static_cast<float>(1 + i / 128);
  }
  if (pattern == "sparse") return mixed(i + 7) % 8 == 0 ? spread(i) : 0.0f;
  if (pattern == "short") return std::bit_cast<float>(std::bit_cast<std::uint32_t>(spread(i)) & 0xffff0000);
  if (pattern == "narrow") {
    const auto low = static_cast<std::uint32_t>(std::bit_width(mixed(i + 3) & 7));
    return std::bit_cast<float>((mixed(i) & 0x807fffff) | (127 - low) << 23);
  }
  if (pattern == "border") return value_of("narrow", i) * 0x1.02f83ep0f;
  if (pattern == "small") return spread(i) * 0x1p-100f;
  if (pattern == "large") return spread(i) * 0x1p108f;
  REQUIRE(pattern == "spread");
  return spread(i);
}

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
  CHECK(lines == 8 * 4 * codec::all().size());
}
