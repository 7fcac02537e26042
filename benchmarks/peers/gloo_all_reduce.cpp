// SPDX-License-Identifier: Apache-2.0
// How long does an all-reduce of Gloo take over its TCP transport? One process a rank, which meet through files in a folder
// that all of them see.
#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/allreduce_halving_doubling.h>
#include <gloo/allreduce_ring_chunked.h>
#include <gloo/barrier.h>
#include <gloo/config.h>
#include <gloo/math.h>
#include <gloo/rendezvous/context.h>
#include <gloo/rendezvous/file_store.h>
#include <gloo/transport/tcp/device.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "benchmarks/peers/peer.h"

namespace longhaul::perf {
namespace {

struct GlooOptions {
  PeerOptions common;
  int rank = -1, size = 0;
  std::string store, address, algorithm = "ring";
};

class GlooPeer final : public Peer {
 public:
  explicit GlooPeer(const GlooOptions& options) : algorithm_(options.algorithm) {
    gloo::transport::tcp::attr attributes(options.address.c_str());
    auto device = gloo::transport::tcp::CreateDevice(attributes);
    gloo::rendezvous::FileStore store(options.store);
    auto context = std::make_shared<gloo::rendezvous::Context>(options.rank, options.size);
    context->setTimeout(std::chrono::minutes(10));
    context->connectFullMesh(store, device);
    context_ = context;
  }
  int rank() const override { return context_->rank; }
  int size() const override { return context_->size; }
  void barrier() override {
    gloo::BarrierOptions options(context_);
    gloo::barrier(options);
  }
  void all_gather(const void* mine, void* all, std::size_t bytes) override {
    gloo::AllgatherOptions options(context_);
    options.setInput(static_cast<char*>(const_cast<void*>(mine)), bytes);
    options.setOutput(static_cast<char*>(all), bytes * static_cast<std::size_t>(size()));
    gloo::allgather(options);
  }
  nlohmann::json describe() const override {
    return {{"library", "Gloo " + std::to_string(GLOO_VERSION_MAJOR) + "." + std::to_string(GLOO_VERSION_MINOR)}, {"algorithm", algorithm_}};
  }
  /// As PyTorch calls it; the older algorithms cannot do otherwise.
  bool in_place() const override { return true; }
  void bind(std::span<const float>, std::span<float> output) override {
    output_ = output;
    const std::vector<float*> pointers{output.data()};
    const auto count = static_cast<int>(output.size());
    if (algorithm_ == "ring_chunked") fixed_ = std::make_unique<gloo::AllreduceRingChunked<float>>(context_, pointers, count);
    if (algorithm_ == "halving_doubling") fixed_ = std::make_unique<gloo::AllreduceHalvingDoubling<float>>(context_, pointers, count);
  }
  void all_reduce() override {
    if (fixed_) return fixed_->run();
    gloo::AllreduceOptions options(context_);
    options.setAlgorithm(algorithm_ == "bcube" ? gloo::AllreduceOptions::Algorithm::BCUBE : gloo::AllreduceOptions::Algorithm::RING);
    options.setReduceFunction([](void* out, const void* a, const void* b, std::size_t n) { gloo::sum<float>(out, a, b, n); });
    options.setOutput(output_.data(), output_.size());
    gloo::allreduce(options);
  }

 private:
  const std::string algorithm_;
  std::shared_ptr<gloo::Context> context_;
  std::unique_ptr<gloo::Algorithm> fixed_;  ///< of the older interface, which is made for one buffer
  std::span<float> output_;
};

}  // namespace
}  // namespace longhaul::perf

int main(int argc, char** argv) {
  using namespace longhaul::perf;
  CLI::App app("Measures an all-reduce of Gloo over TCP, fp32 sums; start one process a rank");
  GlooOptions options;
  add_options(&app, &options.common);
  app.add_option("--rank", options.rank)->required()->check(CLI::NonNegativeNumber);
  app.add_option("--size", options.size, "number of ranks")->required()->check(CLI::PositiveNumber);
  app.add_option("--store", options.store, "an empty folder that all ranks see: they meet there")->required()->check(CLI::ExistingDirectory);
  app.add_option("--address", options.address, "of this rank, an address of one of its interfaces")->required();
  app.add_option("--algorithm", options.algorithm, "ring is what PyTorch uses")
      ->check(CLI::IsMember({"ring", "bcube", "ring_chunked", "halving_doubling"}))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    GlooPeer peer(options);
    return run_peer(options.common, &peer);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "gloo_all_reduce: rank %d: %s\n", options.rank, failure.what());
    return 1;
  }
}
