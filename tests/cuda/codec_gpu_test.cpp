// SPDX-License-Identifier: Apache-2.0
// The codecs on a GPU equal the references on the CPU byte for byte, both directions. The cases are those that
// tests/unit/device_codec_test.cpp runs without a GPU.
#include <fstream>
#include <sstream>

#include "cuda/real_gpu.h"
#include "support/golden.h"

using namespace longhaul;
namespace gpu = longhaul::kernels::gpu;

namespace {

const test::DevicePools& pools() {
  static const test::DevicePools pools;
  return pools;
}

test::RealGpu& real_gpu() {
  static test::RealGpu gpu(test::DevicePools::kMost);
  return gpu;
}

}  // namespace

TEST_CASE("GPU and CPU give the same bytes for every kind of values and count", "[gpu]") {
  Random random(31);
  for (const codec::Codec& codec : codec::all()) {
    for (std::uint64_t kind = 0; kind < test::kKinds; ++kind) {
      for (const std::size_t count : test::kDeviceCounts) {
        const test::DeviceCase c = test::drawn(random, pools(), codec, kind, count);
        INFO("codec " << codec.name << " kind " << kind << " count " << count << " type " << c.type << " feedback " << !c.residual.empty());
        INFO("offset " << c.offset);
        REQUIRE(test::same_encode(real_gpu(), c));
        REQUIRE(test::same_combine(random, pools(), real_gpu(), c, kind));
      }
    }
  }
}

TEST_CASE("a million random blocks: GPU and CPU give the same bytes", "[gpu]") {
  std::size_t blocks = 0;
  for (const codec::Codec& codec : codec::all()) {
    INFO("codec " << codec.name);
    CHECK(test::wrong_of_many(real_gpu(), pools(), codec, &blocks) == 0);
  }
  CHECK(blocks >= 1000000);
}

TEST_CASE("hostile blobs decode on a GPU as the specification says", "[gpu]") {
  Random random(32);
  for (const codec::Codec& codec : codec::all()) {
    for (std::size_t run = 0; run < 500; ++run) {
      const test::DeviceCase c = test::drawn(random, pools(), codec, 0, random.below(run % 4 == 0 ? 40 : 2500));
      INFO("codec " << codec.name << " run " << run << " count " << c.count);
      REQUIRE(test::same_hostile(random, pools(), real_gpu(), run, c));
    }
  }
}

TEST_CASE("the limits of what codecs carry on a GPU", "[gpu]") { CHECK(test::wrong_at_limits(real_gpu()) == 0); }

TEST_CASE("golden vectors on a GPU", "[gpu]") {
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
    const auto encoded = real_gpu().encode(c);
    std::string actual = "refused";
    if (encoded) {
      const auto decoded = real_gpu().combine(c, {{encoded->blob, false}}, 1);
      actual = fmt::format("{} {} {}", encoded->blob.size(), test::golden::digest(encoded->blob.data(), encoded->blob.size()),
                           test::golden::digest(decoded.data(), decoded.size()));
    }
    CHECK(actual == expected);
  }
  CHECK(lines == test::golden::kPatterns * test::golden::kCounts * codec::all().size());
}

TEST_CASE("large calls, where warps take several steps", "[gpu]") {
  Random random(33);
  const std::size_t count = (std::size_t{24} << 20) + 777;
  const std::vector<float> some = test::samples(random, 1, 1 << 16);
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = some[i % some.size()];
  test::RealGpu large(count);
  for (const codec::Codec& codec : codec::all()) {
    test::DeviceCase c{codec, lhFloat32, count, test::as_type(values, lhFloat32), {1, 2, 3}, {}};
    const auto expected = test::expected_encode(codec, c.values, c.type, c.rotation, {});
    const auto actual = large.encode(c);
    INFO("codec " << codec.name);
    REQUIRE(actual.has_value());
    CHECK(std::equal(actual->blob.begin(), actual->blob.end(), expected->blob.begin(), expected->blob.end()));
    const std::vector<test::SiteBlob> sites(2, {expected->blob, false});
    const auto sum = large.combine(c, sites, 2), expected_sum = test::expected_combine(codec, sites, count, c.rotation, 2, lhFloat32);
    CHECK(std::equal(sum.begin(), sum.end(), expected_sum.begin(), expected_sum.end()));
  }
}

TEST_CASE("encoding, fallback and sum are captured into a graph", "[gpu]") {
  const std::vector<float> values = {1.0f, std::bit_cast<float>(0x7f800000u), 3.0f};
  test::GpuMemory in(64), blob(4096), words(16), out(64);
  gpu::Encode job{.codec = lhCodecI8, .values = in.put(values.data(), 12, 0), .count = 3, .blob = blob.place(0)};
  job.refused = reinterpret_cast<std::uint32_t*>(words.put(std::vector<std::byte>(16).data(), 16, 0));
  gpu::Combine sum{.codec = lhCodecI8, .sites = 1, .blobs = {job.blob}, .fell_back = {true}, .count = 3, .result = out.place(0)};
  test::check_cuda(cudaDeviceSynchronize());
  const cudaStream_t stream = real_gpu().stream();
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  test::check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  test::check_enqueued(test::real_codecs().encode(job, stream));
  gpu::Encode fallback = job;
  fallback.codec = lhCodecBf16;
  fallback.only_if = job.refused;
  test::check_enqueued(test::real_codecs().encode(fallback, stream));
  test::check_enqueued(test::real_codecs().combine(sum, stream));
  test::check_cuda(cudaStreamEndCapture(stream, &graph));
  test::check_cuda(cudaGraphInstantiate(&executable, graph, 0));
  for (int run = 0; run < 2; ++run) test::check_cuda(cudaGraphLaunch(executable, stream));
  test::check_cuda(cudaStreamSynchronize(stream));
  const auto result = out.take(12, 0);
  CHECK(std::memcmp(result.data(), values.data(), 12) == 0);
  test::check_cuda(cudaGraphExecDestroy(executable));
  test::check_cuda(cudaGraphDestroy(graph));
}

TEST_CASE("the rehearsal of all kernels does nothing", "[gpu]") {
  test::GpuMemory zero(16);
  const auto* word = reinterpret_cast<const std::uint32_t*>(zero.put(std::vector<std::byte>(16).data(), 16, 0));
  test::check_cuda(cudaDeviceSynchronize());
  test::check_enqueued(test::real_codecs().rehearse(word, real_gpu().stream()));
  test::check_cuda(cudaStreamSynchronize(real_gpu().stream()));
  CHECK(zero.take(16, 0) == std::vector<std::byte>(16));
}

TEST_CASE("calls that make no sense enqueue nothing", "[gpu]") {
  CHECK(!test::real_codecs().encode({.codec = lhCodecNone}, nullptr).ok());
  CHECK(!test::real_codecs().combine({.codec = lhCodecI8, .sites = 0}, nullptr).ok());
}
