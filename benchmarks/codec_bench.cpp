// SPDX-License-Identifier: Apache-2.0
// How fast is every codec on one core, beside memcpy in the same run? Two sizes: what the engine has in the cache, and what no cache
// holds. Columns: `fp32` is GB/s of fp32 values, `moved` is GB/s of bytes read and written, which memcpy reads and writes, too.
//
//   codec_bench --benchmark_repetitions=9 --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "codec/codec.h"

namespace {

using longhaul::codec::Codec;
using longhaul::codec::Rotation;

const Rotation kRotation{.key = 1, .operation = 2, .chunk = 3};

/// Like gradients: normal, with a scale of its own for every 256 values.
std::vector<float> gradients(std::size_t count) {
  std::vector<float> values(count);
  std::uint64_t state = 1;
  const auto uniform = [&] {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (static_cast<double>(state >> 11) + 0.5) * 0x1p-53;
  };
  double scale = 1;
  for (std::size_t i = 0; i < count; i += 2) {
    if (i % 256 == 0) scale = 1e-3 * std::exp2(4 * uniform());
    const double radius = scale * std::sqrt(-2 * std::log(uniform())), angle = 6.283185307179586 * uniform();
    values[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < count) values[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return values;
}

/// One set of buffers for all benchmarks of a size.
struct Buffers {
  explicit Buffers(std::size_t values) : count(values), in(gradients(values)), sum(values + 1024, 1.0f), blob(4 * values + 65536) {}
  std::size_t count;
  std::vector<float> in, sum;
  std::vector<std::byte> blob;
};

void report(benchmark::State& state, std::size_t count, std::size_t moved) {
  const auto rate = [&](std::size_t bytes) {
    return benchmark::Counter(static_cast<double>(bytes) * static_cast<double>(state.iterations()) / 1e9, benchmark::Counter::kIsRate);
  };
  state.counters["fp32"] = rate(4 * count);
  state.counters["moved"] = rate(moved);
}

void copy(benchmark::State& state, Buffers* buffers) {
  for (auto _ : state) {
    std::memcpy(buffers->sum.data(), buffers->in.data(), 4 * buffers->count);
    benchmark::ClobberMemory();
  }
  report(state, buffers->count, 8 * buffers->count);
}

void encode(benchmark::State& state, const Codec* codec, Buffers* buffers) {
  std::size_t bytes = 0;
  for (auto _ : state) {
    bytes = codec->encode(buffers->in.data(), buffers->count, kRotation, buffers->blob.data());
    benchmark::ClobberMemory();
  }
  if (bytes == longhaul::codec::kNone) return state.SkipWithError("refused");
  report(state, buffers->count, 4 * buffers->count + bytes);
  state.counters["bits"] = 8.0 * static_cast<double>(bytes) / static_cast<double>(buffers->count);
}

void decode_add(benchmark::State& state, const Codec* codec, Buffers* buffers) {
  const std::size_t bytes = codec->encode(buffers->in.data(), buffers->count, kRotation, buffers->blob.data());
  if (bytes == longhaul::codec::kNone) return state.SkipWithError("refused");
  std::fill(buffers->sum.begin(), buffers->sum.end(), 0.0f);
  for (auto _ : state) {
    if (!codec->decode_add({buffers->blob.data(), bytes}, buffers->count, false, buffers->sum.data())) return state.SkipWithError("no blob");
    benchmark::ClobberMemory();
  }
  report(state, buffers->count, 8 * buffers->count + bytes);
}

/// What a rotating codec does once for all sites.
void finish(benchmark::State& state, const Codec* codec, Buffers* buffers) {
  for (auto _ : state) {
    codec->finish(buffers->sum.data(), buffers->count, kRotation);
    benchmark::ClobberMemory();
  }
  report(state, buffers->count, 8 * buffers->count);
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::unique_ptr<Buffers>> all;
  for (const auto& [name, bytes] : {std::pair{"256KiB", std::size_t{256} << 10}, std::pair{"64MiB", std::size_t{64} << 20}}) {
    Buffers* buffers = all.emplace_back(std::make_unique<Buffers>(bytes / 4)).get();
    benchmark::RegisterBenchmark(fmt::format("memcpy/{}", name).c_str(), copy, buffers);
    for (const Codec& codec : longhaul::codec::all()) {
      benchmark::RegisterBenchmark(fmt::format("encode/{}/{}", codec.name, name).c_str(), encode, &codec, buffers);
      benchmark::RegisterBenchmark(fmt::format("decode_add/{}/{}", codec.name, name).c_str(), decode_add, &codec, buffers);
      if (codec.rotates()) benchmark::RegisterBenchmark(fmt::format("finish/{}/{}", codec.name, name).c_str(), finish, &codec, buffers);
    }
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
