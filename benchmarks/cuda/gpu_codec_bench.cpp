// SPDX-License-Identifier: Apache-2.0
// How fast is every codec on a GPU, beside a copy from device memory to device memory in the same run? Bytes are those read and written,
// of a copy as well; times are of the stream, by events. Exit status 77 where there is no GPU, 1 where a bar is missed and asked for.
//
//   gpu_codec_bench --size 256 --repeat 20 --bars
#include <cuda_runtime_api.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "codec/codec.h"
#include "device/codecs.h"

namespace {

namespace gpu = longhaul::kernels::gpu;
using longhaul::codec::Codec;

void check(int error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(static_cast<cudaError_t>(error)));
}

void check(const longhaul::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.text());
}

/// The library's kernels on GPU 0, in the runtime's context.
std::unique_ptr<longhaul::device::Codecs> load() {
  check(cudaFree(nullptr));
  auto gpu = longhaul::device::Gpu::open(0);
  if (!gpu.ok()) throw std::runtime_error(gpu.status().text());
  std::string why_not;
  auto codecs = longhaul::device::Codecs::make(*gpu, &why_not);
  check(codecs.status());
  if (!*codecs) throw std::runtime_error(why_not);
  return std::move(*codecs);
}

struct Buffer {
  explicit Buffer(std::size_t bytes) { check(cudaMalloc(&memory, bytes)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { cudaFree(memory); }
  std::byte* bytes() const { return static_cast<std::byte*>(memory); }
  void* memory = nullptr;
};

class Bench {
 public:
  Bench(std::size_t count, int repeats)
      : count_(count), repeats_(repeats), in_(4 * count), out_(4 * count), blob_(4 * count + 256), other_(4 * count + 256), small_(4096) {
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    check(cudaEventCreate(&begin_));
    check(cudaEventCreate(&end_));
    fill();
    copy_rate_ = rate(8.0 * static_cast<double>(count),
                      [&] { check(cudaMemcpyAsync(out_.memory, in_.memory, 4 * count_, cudaMemcpyDeviceToDevice, stream_)); });
    std::printf("%-22s %10s %12s %8s %6s\n%-22s %10.1f %12.1f %8s %6s\n", "what", "GB/s fp32", "GB/s moved", "of copy", "bar", "copy", copy_rate_ / 2,
                copy_rate_, "", "");
  }

  /// False: slower than the bar.
  bool codec(const Codec& codec) {
    gpu::Encode job{.codec = codec.id, .values = in_.memory, .count = count_, .rotation = {1, 2, 3}, .blob = blob_.bytes(), .work = small_.memory};
    job.refused = reinterpret_cast<std::uint32_t*>(small_.bytes() + 3072);
    job.bytes = reinterpret_cast<std::uint64_t*>(small_.bytes() + 3088);
    check(codecs_->encode(job, stream_));
    std::uint64_t bytes = 0;
    check(cudaStreamSynchronize(stream_));
    check(cudaMemcpy(&bytes, job.bytes, sizeof bytes, cudaMemcpyDeviceToHost));
    const double values = static_cast<double>(count_), blob = static_cast<double>(bytes);
    const double bar = codec.id == lhCodecBf16 || codec.id == lhCodecI8 ? 0.9 : codec.id == lhCodecR4 || codec.id == lhCodecF4 ? 0.7 : 0;
    bool good = row("encode " + std::string(codec.name), 4 * values + blob, bar, [&] { check(codecs_->encode(job, stream_)); });
    // Equal blobs, but not one memory: that would be read once.
    check(cudaMemcpy(other_.memory, blob_.memory, bytes, cudaMemcpyDeviceToDevice));
    const gpu::Combine sum{
        .codec = codec.id, .sites = 2, .blobs = {blob_.bytes(), other_.bytes()}, .count = count_, .rotation = job.rotation, .result = out_.memory};
    good &= row("sum of 2 " + std::string(codec.name), 4 * values + 2 * blob, bar, [&] { check(codecs_->combine(sum, stream_)); });
    return good;
  }

 private:
  void fill() {
    std::vector<float> some(count_);
    std::uint32_t state = 1;
    for (float& value : some) {
      state = state * 1664525u + 1013904223u;
      value = static_cast<float>(static_cast<std::int32_t>(state)) * 0x1p-31f * static_cast<float>(1u << (state >> 8 & 7));
    }
    check(cudaMemcpy(in_.memory, some.data(), 4 * count_, cudaMemcpyHostToDevice));
  }

  /// GB/s of `bytes`, median.
  template <typename Work>
  double rate(double bytes, const Work& work) {
    std::vector<float> times;
    for (int run = -2; run < repeats_; ++run) {
      float milliseconds = 0;
      check(cudaEventRecord(begin_, stream_));
      work();
      check(cudaEventRecord(end_, stream_));
      check(cudaEventSynchronize(end_));
      check(cudaEventElapsedTime(&milliseconds, begin_, end_));
      if (run >= 0) times.push_back(milliseconds);
    }
    std::nth_element(times.begin(), times.begin() + repeats_ / 2, times.end());
    return bytes / times[static_cast<std::size_t>(repeats_ / 2)] * 1e-6;
  }

  template <typename Work>
  bool row(const std::string& name, double bytes, double bar, const Work& work) {
    const double moved = rate(bytes, work), share = moved / copy_rate_;
    std::printf("%-22s %10.1f %12.1f %8.3f %6s\n", name.c_str(), moved * 4 * static_cast<double>(count_) / bytes, moved, share,
                bar == 0       ? ""
                : share >= bar ? "met"
                               : "missed");
    return share >= bar;
  }

  std::unique_ptr<longhaul::device::Codecs> codecs_ = load();
  std::size_t count_;
  int repeats_;
  Buffer in_, out_, blob_, other_, small_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t begin_ = nullptr, end_ = nullptr;
  double copy_rate_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Throughput of the codecs on a GPU, beside that of a copy");
  std::size_t mebibytes = 256;
  int repeats = 20;
  bool bars = false;
  app.add_option("--size", mebibytes, "MiB of fp32 values")->check(CLI::Range(1, 16384));
  app.add_option("--repeat", repeats, "measured runs of each; the median counts")->check(CLI::Range(1, 10000));
  app.add_flag("--bars", bars, "exit status 1 where i8 or bf16 is below 0.9 of the copy, r4 or f4 below 0.7");
  CLI11_PARSE(app, argc, argv);
  int devices = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&devices); error != cudaSuccess || devices == 0) {
    std::printf("skipped: no GPU: %s\n", error != cudaSuccess ? cudaGetErrorString(error) : "the driver knows of none");
    return 77;
  }
  try {
    cudaDeviceProp properties{};
    check(cudaGetDeviceProperties(&properties, 0));
    std::printf("%s, %zu MiB of fp32, median of %d\n", properties.name, mebibytes, repeats);
    Bench bench(mebibytes << 18, repeats);
    bool good = true;
    for (const Codec& codec : longhaul::codec::all()) good &= bench.codec(codec);
    return bars && !good ? 1 : 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gpu_codec_bench: %s\n", error.what());
    return 1;
  }
}
