// SPDX-License-Identifier: Apache-2.0
#include "device/codecs.h"

#include <algorithm>

#include "kernels/cuda/images.h"

namespace longhaul::device {
namespace {

/// Of 256 threads, that a multiprocessor holds at most.
constexpr int kBlocksOfMultiprocessor = 8;

constexpr CuResult kOfOtherGpus[] = {kInvalidImage, kNoBinary, kInvalidPtx, kNoCompiler, kUnsupportedPtx, kNoCompilation};

}  // namespace

class Codecs::InStream final : public kernels::gpu::Launcher {
 public:
  InStream(const Codecs& codecs, CuStream stream) : codecs_(codecs), stream_(stream) {}
  kernels::gpu::Error launch(unsigned number, unsigned blocks, unsigned threads, const void* job) override {
    call_ = "cuLaunchKernel";
    void* arguments[] = {const_cast<void*>(job)};
    return api().launch(codecs_.functions_[number], blocks, 1, 1, threads, 1, 1, 0, stream_, arguments, nullptr);
  }
  kernels::gpu::Error zero(void* memory, std::size_t bytes) override {
    call_ = "cuMemsetD32Async";
    return api().set_words(cu_pointer(memory), 0, bytes / 4, stream_);
  }
  unsigned most_blocks() const override { return codecs_.most_blocks_; }

  Status status(kernels::gpu::Error error) const { return codecs_.gpu_->check(error, call_); }

 private:
  const Cuda& api() const { return codecs_.gpu_->cuda(); }

  const Codecs& codecs_;
  CuStream stream_;
  const char* call_ = "a codec on the GPU";
};

Result<std::unique_ptr<Codecs>> Codecs::make(std::shared_ptr<const Gpu> gpu, std::string* why_not) {
  if (kernels::gpu::images().empty()) {
    *why_not = "this build has no kernels (it was made without nvcc)";
    return std::unique_ptr<Codecs>();
  }
  struct Made : Codecs {
    explicit Made(std::shared_ptr<const Gpu> on) : Codecs(std::move(on)) {}
  };
  const Cuda& api = gpu->cuda();
  std::unique_ptr<Codecs> codecs = std::make_unique<Made>(gpu);
  for (const kernels::gpu::Image& image : kernels::gpu::images()) {
    CuModule module = nullptr;
    const CuResult result = api.module_load(&module, image.data);
    if (std::find(std::begin(kOfOtherGpus), std::end(kOfOtherGpus), result) != std::end(kOfOtherGpus)) {
      *why_not = fmt::format("no kernel of this build runs here: {}", gpu->check(result, "cuModuleLoadData").text());
      return std::unique_ptr<Codecs>();
    }
    if (Status status = gpu->check(result, "cuModuleLoadData"); !status.ok()) return status;
    codecs->modules_.push_back(module);
  }
  int processors = 0;
  if (Status status = gpu->check(api.device_attribute(&processors, kMultiprocessors, gpu->handle()), "cuDeviceGetAttribute"); !status.ok())
    return status;
  codecs->most_blocks_ = static_cast<unsigned>(std::max(1, processors * kBlocksOfMultiprocessor));
  if (Status status = codecs->find_kernels(); !status.ok()) return status;
  return codecs;
}

Codecs::~Codecs() {
  if (modules_.empty()) return;
  const Current current(*gpu_);
  for (const CuModule module : modules_) gpu_->cuda().module_unload(module);
}

Status Codecs::find_kernels() {
  const auto images = kernels::gpu::images();
  const auto is_in = [](std::string_view kernel, const kernels::gpu::Image& image) {
    return kernel.substr(3, image.codec.size()) == image.codec && kernel[3 + image.codec.size()] == '_';
  };
  for (unsigned number = 0; const char* name = kernels::gpu::kernel_name(number); ++number) {
    const auto image = std::find_if(images.begin(), images.end(), [&](const kernels::gpu::Image& each) { return is_in(name, each); });
    LH_CHECK(image != images.end());
    CuFunction function = nullptr;
    const CuModule module = modules_[static_cast<std::size_t>(image - images.begin())];
    if (Status status = gpu_->check(gpu_->cuda().module_function(&function, module, name), "cuModuleGetFunction"); !status.ok())
      return std::move(status).with(name);
    functions_.push_back(function);
  }
  return {};
}

Status Codecs::encode(const kernels::gpu::Encode& job, CuStream stream) const {
  InStream launcher(*this, stream);
  return launcher.status(kernels::gpu::encode(job, &launcher));
}

Status Codecs::combine(const kernels::gpu::Combine& job, CuStream stream) const {
  InStream launcher(*this, stream);
  return launcher.status(kernels::gpu::combine(job, &launcher));
}

Status Codecs::rehearse(const std::uint32_t* zero, CuStream stream) const {
  InStream launcher(*this, stream);
  return launcher.status(kernels::gpu::rehearse(zero, &launcher));
}

}  // namespace longhaul::device
