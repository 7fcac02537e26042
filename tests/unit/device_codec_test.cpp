// SPDX-License-Identifier: Apache-2.0
// The source of the CUDA kernels, run on the CPU, equals the references byte for byte: encoding of all types with and without error
// feedback, sums of several sites with and without fallback, hostile numbers and hostile blobs, golden vectors. All buffers lie
// against forbidden pages. tests/cuda runs the same cases on a GPU.
#include <fstream>
#include <sstream>

#include "support/catch.h"
#include "kernels/cuda/make_jobs.h"
#include "support/device_cases.h"
#include "support/device_on_host.h"
#include "support/golden.h"
#include "support/guard_pages.h"

using namespace longhaul;
namespace gpu = longhaul::kernels::gpu;

namespace {

/// `bytes` at a multiple of `align` plus `offset`, as near to one of the forbidden pages as that allows.
struct Memory {
  test::GuardPages pages{4 * test::DevicePools::kMost + 8192};
  std::byte* place(std::size_t bytes, std::size_t align, bool end, std::size_t offset = 0) {
    const std::size_t padded = (bytes + align - 1) / align * align;
    return pages.place(end ? padded : bytes, end) + (end ? 0 : offset);
  }
};

class HostGpu {
 public:
  std::optional<test::Encoded> encode(const test::DeviceCase& c) {
    gpu::Encode job{.codec = c.codec.id, .type = c.type, .count = c.count, .rotation = c.rotation};
    const std::size_t size = test::bytes_of(c.type), most = c.codec.most_bytes(c.count);
    std::byte* values = values_.place(c.values.size(), size, c.end, c.offset * size);
    if (c.count) std::memcpy(values, c.values.data(), c.values.size());
    job.values = values;
    job.blob = blob_.place(most, 16, c.end);
    if (most) std::memset(job.blob, 0xee, most);
    job.work = work_;
    std::uint32_t refused = 0;
    std::uint64_t bytes = 0;
    job.refused = &refused;
    job.bytes = &bytes;
    if (!c.residual.empty()) {
      auto* before = reinterpret_cast<std::uint16_t*>(residual_.place(2 * c.count, 2, c.end, 2 * c.offset));
      std::memcpy(before, c.residual.data(), 2 * c.count);
      job.residual = before;
      job.next_residual = reinterpret_cast<std::uint16_t*>(next_.place(2 * c.count, 2, c.end, 2 * c.offset));
    }
    REQUIRE(test::encode_on_host(job, {c.warps, c.backwards}));
    if (refused != 0) return std::nullopt;
    test::Encoded out{{job.blob, job.blob + bytes}, {}};
    if (job.residual) out.next_residual.assign(job.next_residual, job.next_residual + c.count);
    return out;
  }

  std::vector<std::byte> combine(const test::DeviceCase& c, const std::vector<test::SiteBlob>& sites, std::uint64_t divisor) {
    gpu::Combine job{.codec = c.codec.id, .sites = static_cast<int>(sites.size()), .count = c.count, .rotation = c.rotation};
    job.divisor = divisor;
    job.type = c.type;
    for (std::size_t i = 0; i < sites.size(); ++i) {
      std::byte* blob = blobs_[i].place(sites[i].bytes.size(), 16, c.end);
      if (!sites[i].bytes.empty()) std::memcpy(blob, sites[i].bytes.data(), sites[i].bytes.size());
      job.blobs[i] = blob;
      job.fell_back[i] = sites[i].fell_back;
    }
    const std::size_t size = test::bytes_of(c.type);
    std::byte* result = values_.place(c.count * size, size, c.end, c.offset * size);
    if (c.count) std::memset(result, 0xdd, c.count * size);
    job.result = result;
    REQUIRE(test::combine_on_host(job, {c.warps, c.backwards}));
    return {result, result + c.count * size};
  }

 private:
  Memory values_, blob_, residual_, next_, blobs_[gpu::kMostBlobs];
  alignas(16) std::byte work_[2048];
};

const test::DevicePools& pools() {
  static const test::DevicePools pools;
  return pools;
}

}  // namespace

TEST_CASE("the kernels' source equals the specification for every kind of values and count", "[unit]") {
  HostGpu gpu;
  Random random(31);
  for (const codec::Codec& codec : codec::all()) {
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
      for (const std::size_t count : test::kDeviceCounts) {
        const test::DeviceCase c = test::drawn(random, pools(), codec, kind, count);
        INFO("codec " << codec.name << " kind " << kind << " count " << count << " type " << c.type << " feedback " << !c.residual.empty());
        INFO("end " << c.end << " offset " << c.offset << " backwards " << c.backwards);
        REQUIRE(test::same_encode(gpu, c));
        REQUIRE(test::same_combine(random, pools(), gpu, c, kind));
      }
    }
  }
}

TEST_CASE("a million random blocks: the kernels' source equals the specification", "[unit]") {
  HostGpu gpu;
  std::size_t blocks = 0;
  for (const codec::Codec& codec : codec::all()) {
    INFO("codec " << codec.name);
    CHECK(test::wrong_of_many(gpu, pools(), codec, &blocks) == 0);
  }
  CHECK(blocks >= 1000000);
}

TEST_CASE("the kernels' source decodes hostile blobs as the specification says", "[unit]") {
  HostGpu gpu;
  Random random(32);
  for (const codec::Codec& codec : codec::all()) {
    for (std::size_t run = 0; run < 1000; ++run) {
      const test::DeviceCase c = test::drawn(random, pools(), codec, 0, random.below(run % 4 == 0 ? 40 : 2500));
      INFO("codec " << codec.name << " run " << run << " count " << c.count);
      REQUIRE(test::same_hostile(random, pools(), gpu, run, c));
    }
  }
}

TEST_CASE("the kernels' source finds NaN, Inf and what is too large at every position", "[unit]") {
  HostGpu gpu;
  for (const codec::Codec& codec : codec::all()) {
    const bool carries = codec.id == lhCodecBf16 || codec.id == lhCodecLossless;
    std::vector<float> values(codec.id == lhCodecR2 ? 2100 : 600, 1.0f);
    for (std::size_t position = 0; position < values.size(); position += codec.rotates() ? 7u : 1u) {
      for (const std::uint32_t bits : {0x7f800000u, 0xff800001u, 0x76800000u}) {
        values[position] = std::bit_cast<float>(bits);
        const test::DeviceCase c{codec, lhFloat32, values.size(), test::as_type(values, lhFloat32), {}, {}};
        const bool refuses = !carries && (bits != 0x76800000u || codec.id != lhCodecI8);
        INFO("codec " << codec.name << " position " << position << " bits " << bits);
        REQUIRE(gpu.encode(c).has_value() == !refuses);
      }
      values[position] = 1.0f;
    }
  }
}

TEST_CASE("the kernels' source at the limits of what codecs carry", "[unit]") {
  HostGpu gpu;
  CHECK(test::wrong_at_limits(gpu) == 0);
}

namespace {

/// Levels at the thresholds and beside them, and their values, against the plain definition.
template <typename R>
void check_levels() {
  for (const float threshold : R::kThreshold) {
    for (const float m : {std::nextafter(threshold, 0.0f), threshold, std::nextafter(threshold, 9.0f)}) {
      const auto below = std::count_if(std::begin(R::kThreshold), std::end(R::kThreshold), [&](float other) { return m > other; });
      INFO("threshold " << threshold << " m " << m);
      CHECK(gpu::level_below<R>(m) == static_cast<std::uint32_t>(below));
    }
  }
  for (std::uint32_t code = 0; code < R::kLevels; ++code) CHECK(gpu::level_of<R>(code) == R::kLevel[code]);
}

}  // namespace

TEST_CASE("levels of the kernels' source", "[unit]") {
  check_levels<kernels::R4>();
  check_levels<kernels::R2>();
}

TEST_CASE("sums of a block by the kernels' source: halves onto halves", "[unit]") {
  Random random(44);
  for (int run = 0; run < 100; ++run) {
    test::HostWarp::Lanes<float> terms;
    for (float& term : terms.of) term = static_cast<float>(random.uniform());
    float expected[gpu::kLanes];
    std::copy(std::begin(terms.of), std::end(terms.of), expected);
    for (std::uint32_t half = gpu::kLanes / 2; half > 0; half /= 2)
      for (std::uint32_t i = 0; i < half; ++i) expected[i] += expected[i + half];
    CHECK(gpu::summed(test::HostWarp(false), terms) == expected[0]);
  }
}

TEST_CASE("golden vectors by the kernels' source", "[unit]") {
  HostGpu gpu;
  std::ifstream file(LH_GOLDEN_DIR "/codecs.txt");
  std::string line, name, pattern, expected;
  std::size_t lines = 0, count = 0;
  for (; std::getline(file, line); ++lines) {
    std::istringstream fields(line);
    fields >> name >> pattern >> count;
    std::getline(fields >> std::ws, expected);
    INFO(line);
    std::vector<float> values;
    for (std::uint32_t i = 0; i < count; ++i) values.push_back(test::golden::value_of(pattern, i));
    const codec::Codec& codec = *codec::find(codec::parse(name).value());
    const test::DeviceCase c{codec, lhFloat32, count, test::as_type(values, lhFloat32), test::golden::kRotation, {}};
    const auto encoded = gpu.encode(c);
    std::string actual = "refused";
    if (encoded) {
      const auto decoded = gpu.combine(c, {{encoded->blob, false}}, 1);
      actual = fmt::format("{} {} {}", encoded->blob.size(), test::golden::digest(encoded->blob.data(), encoded->blob.size()),
                           test::golden::digest(decoded.data(), decoded.size()));
    }
    CHECK(actual == expected);
  }
  CHECK(lines == test::golden::kPatterns * test::golden::kCounts * codec::all().size());
}

TEST_CASE("what was refused is encoded as bf16 behind it, and only that", "[unit]") {
  const std::vector<float> values = {1.0f, std::bit_cast<float>(0x7f800000u), 3.0f};
  for (const std::size_t used : {3u, 1u}) {
    alignas(16) std::byte blob[2048] = {}, expected[16] = {};
    std::uint32_t refused = 0;
    std::uint64_t bytes = 0;
    gpu::Encode job{.codec = lhCodecI8, .values = values.data(), .count = used, .blob = blob, .refused = &refused, .bytes = &bytes};
    REQUIRE(test::encode_on_host(job, {}));
    CHECK(refused == (used == 3 ? 1u : 0u));
    const std::vector<std::byte> before(blob, blob + sizeof blob);
    job.codec = lhCodecBf16;
    job.refused = nullptr;
    job.only_if = &refused;
    REQUIRE(test::encode_on_host(job, {}));
    codec::fallback().encode(values.data(), used, {}, expected);
    CHECK((std::memcmp(blob, expected, sizeof expected) == 0) == (used == 3));
    CHECK((std::memcmp(blob, before.data(), sizeof blob) == 0) == (used == 1));
    CHECK(bytes == (used == 3 ? 16 : codec::find(lhCodecI8)->most_bytes(1)));
  }
}

TEST_CASE("calls that make no sense are refused", "[unit]") {
  alignas(16) float values[4] = {};
  alignas(16) std::byte blob[2048], work[2048];
  alignas(16) std::uint16_t residual[8] = {};
  std::uint32_t refused = 0;
  std::uint64_t bytes = 0;
  const gpu::Encode good{.codec = lhCodecF4, .values = values, .count = 4, .blob = blob, .work = work, .refused = &refused};
  CHECK(gpu::makes_sense(good));
  const auto bad = [&](auto change) {
    gpu::Encode job = good;
    change(job);
    return !gpu::makes_sense(job);
  };
  CHECK(bad([](auto& job) { job.codec = lhCodecNone; }));
  CHECK(bad([](auto& job) { job.type = lhFloat64; }));
  CHECK(bad([](auto& job) { job.values = nullptr; }));
  CHECK(bad([](auto& job) { job.values = reinterpret_cast<const std::byte*>(job.values) + 2; }));
  CHECK(bad([](auto& job) { job.blob += 8; }));
  CHECK(bad([](auto& job) { job.work = nullptr; }));
  CHECK(bad([](auto& job) { job.refused = nullptr; }));
  CHECK(bad([&](auto& job) { job.residual = residual; }));
  CHECK(bad([&](auto& job) { job.residual = job.next_residual = residual; }));
  CHECK(bad([&](auto& job) { job.codec = lhCodecLossless, job.bytes = nullptr; }));
  CHECK(bad([&](auto& job) { job.codec = lhCodecLossless, job.bytes = &bytes, job.residual = residual, job.next_residual = residual + 4; }));
  CHECK(!bad([&](auto& job) { job.codec = lhCodecLossless, job.bytes = &bytes; }));

  gpu::Combine sum{.codec = lhCodecI8, .sites = 1, .blobs = {blob}, .count = 4, .result = values};
  CHECK(gpu::makes_sense(sum));
  for (const int sites : {0, gpu::kMostBlobs + 1, 2}) {
    sum.sites = sites;
    CHECK(!gpu::makes_sense(sum));
  }
  sum.sites = 1;
  sum.divisor = 0;
  CHECK(!gpu::makes_sense(sum));
}
