// SPDX-License-Identifier: Apache-2.0
// The codecs of kernels/cuda/codec_device.h on the GPU of this machine, one call at a time, for the cases of support/device_cases.h. Known
// bytes lie around everything that kernels write.
#pragma once

#include <cuda_runtime_api.h>

#include "device/codecs.h"
#include "support/catch.h"
#include "support/device_cases.h"

namespace longhaul::test {

inline void check_cuda(int error) {
  INFO("CUDA: " << cudaGetErrorString(static_cast<cudaError_t>(error)));
  REQUIRE(error == cudaSuccess);
}

/// The library's kernels on GPU 0, whose context is the one that the runtime uses.
class RealCodecs {
 public:
  RealCodecs() {
    check_cuda(cudaFree(nullptr));
    auto gpu = device::Gpu::open(0);
    REQUIRE(gpu.ok());
    std::string why_not;
    auto made = device::Codecs::make(*gpu, &why_not);
    INFO(why_not << (made.ok() ? "" : made.status().text()));
    REQUIRE(made.ok());
    REQUIRE(*made);
    codecs_ = std::move(*made);
  }
  Status encode(const kernels::gpu::Encode& job, cudaStream_t stream) const { return codecs_->encode(job, stream); }
  Status combine(const kernels::gpu::Combine& job, cudaStream_t stream) const { return codecs_->combine(job, stream); }
  Status rehearse(const std::uint32_t* zero, cudaStream_t stream) const { return codecs_->rehearse(zero, stream); }

 private:
  std::unique_ptr<device::Codecs> codecs_;
};

inline const RealCodecs& real_codecs() {
  static const RealCodecs codecs;
  return codecs;
}

inline void check_enqueued(const Status& status) {
  INFO(status.text());
  REQUIRE(status.ok());
}

/// Memory of the GPU with a margin of known bytes.
class GpuMemory {
 public:
  explicit GpuMemory(std::size_t bytes) : bytes_(bytes) { check_cuda(cudaMalloc(&memory_, bytes + 2 * kMargin)); }
  GpuMemory(const GpuMemory&) = delete;
  GpuMemory& operator=(const GpuMemory&) = delete;
  ~GpuMemory() { cudaFree(memory_); }

  /// `bytes` at a multiple of 256 plus `offset`; all memory around is known.
  std::byte* place(std::size_t offset) {
    check_cuda(cudaMemset(memory_, kKnown, bytes_ + 2 * kMargin));
    return begin(offset);
  }
  std::byte* put(const void* data, std::size_t bytes, std::size_t offset) {
    std::byte* to = place(offset);
    if (bytes) check_cuda(cudaMemcpy(to, data, bytes, cudaMemcpyHostToDevice));
    return to;
  }
  /// What lies there; all else must be as it was.
  std::vector<std::byte> take(std::size_t bytes, std::size_t offset) const {
    std::vector<std::byte> all(bytes_ + 2 * kMargin);
    check_cuda(cudaMemcpy(all.data(), memory_, all.size(), cudaMemcpyDeviceToHost));
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(kMargin + offset), last = first + static_cast<std::ptrdiff_t>(bytes);
    const auto known = [](std::byte b) { return b == std::byte{kKnown}; };
    REQUIRE(std::all_of(all.begin(), first, known));
    REQUIRE(std::all_of(last, all.end(), known));
    return {first, last};
  }

 private:
  static constexpr std::size_t kMargin = 1024;
  static constexpr std::uint8_t kKnown = 0xa7;
  std::byte* begin(std::size_t offset) const { return static_cast<std::byte*>(memory_) + kMargin + offset; }

  std::size_t bytes_;
  void* memory_ = nullptr;
};

class RealGpu {
 public:
  explicit RealGpu(std::size_t most_values)
      : values_(4 * most_values + 64), blob_(4 * most_values + 256), residual_(2 * most_values + 64), next_(2 * most_values + 64) {
    for (auto& blob : blobs_) blob = std::make_unique<GpuMemory>(4 * most_values + 256);
    check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  ~RealGpu() { cudaStreamDestroy(stream_); }
  RealGpu(const RealGpu&) = delete;
  RealGpu& operator=(const RealGpu&) = delete;

  std::optional<Encoded> encode(const DeviceCase& c) {
    kernels::gpu::Encode job{.codec = c.codec.id, .type = c.type, .count = c.count, .rotation = c.rotation};
    const std::size_t offset = c.offset * bytes_of(c.type), most = c.codec.most_bytes(c.count);
    job.values = values_.put(c.values.data(), c.values.size(), offset);
    job.blob = blob_.place(0);
    job.work = work_.place(0);
    job.refused = reinterpret_cast<std::uint32_t*>(words_.put(std::vector<std::byte>(16).data(), 16, 0));
    job.bytes = reinterpret_cast<std::uint64_t*>(job.refused) + 1;
    if (!c.residual.empty()) {
      job.residual = reinterpret_cast<std::uint16_t*>(residual_.put(c.residual.data(), 2 * c.count, 2 * c.offset));
      job.next_residual = reinterpret_cast<std::uint16_t*>(next_.place(2 * c.offset));
    }
    check_cuda(cudaDeviceSynchronize());
    check_enqueued(real_codecs().encode(job, stream_));
    check_cuda(cudaStreamSynchronize(stream_));
    const std::vector<std::byte> words = words_.take(16, 0);
    std::uint32_t refused = 0;
    std::uint64_t bytes = 0;
    std::memcpy(&refused, words.data(), 4);
    std::memcpy(&bytes, words.data() + 8, 8);
    const std::vector<std::byte> blob = blob_.take(most, 0);
    if (refused != 0) return std::nullopt;
    REQUIRE(bytes <= most);
    Encoded out{{blob.begin(), blob.begin() + static_cast<std::ptrdiff_t>(bytes)}, c.residual};
    if (job.residual) std::memcpy(out.next_residual.data(), next_.take(2 * c.count, 2 * c.offset).data(), 2 * c.count);
    return out;
  }

  std::vector<std::byte> combine(const DeviceCase& c, const std::vector<SiteBlob>& sites, std::uint64_t divisor) {
    kernels::gpu::Combine job{.codec = c.codec.id, .sites = static_cast<int>(sites.size()), .count = c.count, .rotation = c.rotation};
    job.divisor = divisor;
    job.type = c.type;
    for (std::size_t i = 0; i < sites.size(); ++i) {
      job.blobs[i] = blobs_[i]->put(sites[i].bytes.data(), sites[i].bytes.size(), 0);
      job.fell_back[i] = sites[i].fell_back;
    }
    const std::size_t offset = c.offset * bytes_of(c.type);
    job.result = values_.place(offset);
    check_cuda(cudaDeviceSynchronize());
    check_enqueued(real_codecs().combine(job, stream_));
    check_cuda(cudaStreamSynchronize(stream_));
    return values_.take(c.count * bytes_of(c.type), offset);
  }

  cudaStream_t stream() const { return stream_; }

 private:
  GpuMemory values_, blob_, residual_, next_, work_{2048}, words_{16};
  std::unique_ptr<GpuMemory> blobs_[kernels::gpu::kMostBlobs];
  cudaStream_t stream_ = nullptr;
};

}  // namespace longhaul::test
