// SPDX-License-Identifier: Apache-2.0
// Trains on GPUs at two sites. Each layer's gradient is all-reduced with 8 bits a value on the WAN as soon as it is
// computed, on a stream of its own, while the next one is computed; nothing on the host waits inside a step.
//   gpu_training                two sites of one rank each, both on GPU 0, in this process
//   gpu_training --configured   one rank of a job described by the environment (../README.md); its GPU is
//   $LONGHAUL_SITE_RANK's
#include <longhaul/longhaul.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "network.cuh"

namespace gpu_training {
namespace {

constexpr int kSteps = 200;

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  std::fprintf(stderr, "gpu_training: %s: %s\n", what, cudaGetErrorString(error));
  std::exit(1);
}
void check(lhResult_t result, lhComm_t comm) {
  if (result == lhSuccess) return;
  std::fprintf(stderr, "gpu_training: %s\n", lhGetLastError(comm));
  std::exit(1);
}

float* floats(int count) {
  float* memory = nullptr;
  check(cudaMalloc(&memory, static_cast<std::size_t>(count) * sizeof(float)), "cudaMalloc");
  check(cudaMemset(memory, 0, static_cast<std::size_t>(count) * sizeof(float)), "cudaMemset");
  return memory;
}

struct Rank {
  lhComm_t comm = nullptr;
  int rank = 0, device = 0;
  cudaStream_t compute = nullptr, network = nullptr;
  cudaEvent_t ready = nullptr, summed = nullptr;
  float *parameters = nullptr, *gradients = nullptr;  // both layers, the first one first
  float *teacher = nullptr, *x = nullptr, *hidden = nullptr, *error = nullptr, *target = nullptr, *back = nullptr,
        *loss = nullptr;
};

void prepare(Rank* r) {
  check(lhCommUserRank(r->comm, &r->rank), r->comm);
  check(lhCommCuDevice(r->comm, &r->device), r->comm);
  check(cudaSetDevice(r->device), "cudaSetDevice");
  for (cudaStream_t* stream : {&r->compute, &r->network})
    check(cudaStreamCreateWithFlags(stream, cudaStreamNonBlocking), "cudaStreamCreate");
  for (cudaEvent_t* event : {&r->ready, &r->summed})
    check(cudaEventCreateWithFlags(event, cudaEventDisableTiming), "cudaEventCreate");
  r->parameters = floats(kFirst + kSecond), r->gradients = floats(kFirst + kSecond),
  r->teacher = floats(kFirst + kSecond);
  r->x = floats(kBatch * kInputs), r->hidden = floats(kBatch * kHidden), r->back = floats(kBatch * kHidden);
  r->error = floats(kBatch * kOutputs), r->target = floats(kBatch * kOutputs), r->loss = floats(1);
  // Seeds without the rank: every rank begins with the same parameters, and learns from the same teacher.
  fill<<<blocks(kFirst + kSecond), 256, 0, r->compute>>>(r->parameters, kFirst + kSecond, 1, 0.05F);
  fill<<<blocks(kFirst + kSecond), 256, 0, r->compute>>>(r->teacher, kFirst + kSecond, 2, 0.1F);
}

void forward(Rank* r, const float* weights, float* out) {
  multiply<<<blocks(kBatch * kHidden), 256, 0, r->compute>>>(r->hidden, {r->x, kInputs, 1}, {weights, 1, kInputs},
                                                             kBatch, kHidden, kInputs, 1);
  activate<<<blocks(kBatch * kHidden), 256, 0, r->compute>>>(r->hidden, kBatch * kHidden);
  multiply<<<blocks(kBatch * kOutputs), 256, 0, r->compute>>>(
      out, {r->hidden, kHidden, 1}, {weights + kFirst, 1, kHidden}, kBatch, kOutputs, kHidden, 1);
}

// Averages `count` values over all ranks once the computation so far is done; the host and the computation go on at
// once.
void average(Rank* r, float* values, int count, lhCodec_t codec, std::uint64_t tag) {
  lhCallConfig_t call = LH_CALL_CONFIG_INITIALIZER;
  call.codec = codec;
  call.tag = tag;  // names the layer, the same in every step
  check(cudaEventRecord(r->ready, r->compute), "cudaEventRecord");
  check(cudaStreamWaitEvent(r->network, r->ready, 0), "cudaStreamWaitEvent");
  check(lhAllReduceEx(values, values, static_cast<std::size_t>(count), lhFloat32, lhAvg, &call, r->comm, r->network,
                      nullptr),
        r->comm);
}

void step(Rank* r, int number) {
  check(cudaSetDevice(r->device), "cudaSetDevice");
  const auto seed = static_cast<std::uint32_t>(1000 + number * 64 + r->rank);  // other inputs at every rank
  fill<<<blocks(kBatch * kInputs), 256, 0, r->compute>>>(r->x, kBatch * kInputs, seed, 1);
  forward(r, r->teacher, r->target);
  forward(r, r->parameters, r->error);
  check(cudaMemsetAsync(r->loss, 0, sizeof(float), r->compute), "cudaMemsetAsync");
  compare<<<blocks(kBatch * kOutputs), 256, 0, r->compute>>>(r->error, r->target, kBatch * kOutputs, r->loss);

  const float scale = 2.0F / (kBatch * kOutputs);
  float* second = r->gradients + kFirst;
  multiply<<<blocks(kSecond), 256, 0, r->compute>>>(second, {r->error, 1, kOutputs}, {r->hidden, kHidden, 1}, kOutputs,
                                                    kHidden, kBatch, scale);
  average(r, second, kSecond, lhCodecI8, 2);  // crosses the WAN while the first layer's gradient is computed
  multiply<<<blocks(kBatch * kHidden), 256, 0, r->compute>>>(
      r->back, {r->error, kOutputs, 1}, {r->parameters + kFirst, kHidden, 1}, kBatch, kHidden, kOutputs, 1);
  through_activation<<<blocks(kBatch * kHidden), 256, 0, r->compute>>>(r->back, r->hidden, kBatch * kHidden);
  multiply<<<blocks(kFirst), 256, 0, r->compute>>>(r->gradients, {r->back, 1, kHidden}, {r->x, kInputs, 1}, kHidden,
                                                   kInputs, kBatch, scale);
  average(r, r->gradients, kFirst, lhCodecI8, 1);
  average(r, r->loss, 1, lhCodecNone, 0);  // a number for people: exact

  check(cudaEventRecord(r->summed, r->network), "cudaEventRecord");
  check(cudaStreamWaitEvent(r->compute, r->summed, 0), "cudaStreamWaitEvent");
  descend<<<blocks(kFirst + kSecond), 256, 0, r->compute>>>(r->parameters, r->gradients, kFirst + kSecond, 0.2F);
  check(cudaGetLastError(), "a kernel");
}

// Waits for the step; false where the communicator has failed (the text is printed).
bool report(Rank* r, int number) {
  check(cudaSetDevice(r->device), "cudaSetDevice");
  check(cudaStreamSynchronize(r->compute), "cudaStreamSynchronize");
  lhResult_t state = lhSuccess;
  check(lhCommGetAsyncError(r->comm, &state), r->comm);
  if (state != lhSuccess) {
    std::fprintf(stderr, "gpu_training: rank %d: %s\n", r->rank, lhGetLastError(r->comm));
    return false;
  }
  float loss = 0;
  check(cudaMemcpy(&loss, r->loss, sizeof loss, cudaMemcpyDeviceToHost), "cudaMemcpy");
  if (r->rank == 0) std::printf("step %3d  loss %.6f\n", number, static_cast<double>(loss));
  return true;
}

std::vector<float> parameters(Rank* r) {
  std::vector<float> host(kFirst + kSecond);
  check(cudaSetDevice(r->device), "cudaSetDevice");
  check(cudaMemcpy(host.data(), r->parameters, host.size() * sizeof(float), cudaMemcpyDeviceToHost), "cudaMemcpy");
  return host;
}

int train(std::vector<Rank>& ranks) {
  for (Rank& r : ranks) prepare(&r);
  for (int number = 0; number <= kSteps; ++number) {
    for (Rank& r : ranks) step(&r, number);
    if (number % 20 != 0) continue;
    for (Rank& r : ranks)
      if (!report(&r, number)) return 1;
  }
  lhStats_t stats = LH_STATS_INITIALIZER;
  check(lhCommGetStats(ranks[0].comm, &stats), ranks[0].comm);
  std::printf("rank %d sent %.1f MB of gradients as %.1f MB over the WAN\n", ranks[0].rank,
              static_cast<double>(stats.payloadBytes) * 1e-6, static_cast<double>(stats.wanBytesSent) * 1e-6);
  const std::vector<float> first = parameters(&ranks[0]);
  for (Rank& r : ranks) {
    if (std::memcmp(parameters(&r).data(), first.data(), first.size() * sizeof(float)) == 0) continue;
    std::fprintf(stderr, "gpu_training: rank %d has other parameters than rank %d\n", r.rank, ranks[0].rank);
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace gpu_training

int main(int argc, char** argv) {
  using namespace gpu_training;
  const bool configured = argc == 2 && std::strcmp(argv[1], "--configured") == 0;
  if (argc > 1 && !configured) {
    std::fprintf(stderr, "usage: gpu_training [--configured]\n");
    return 2;
  }
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  std::vector<Rank> ranks(configured ? 1 : 2);
  std::vector<lhComm_t> comms(ranks.size(), nullptr);
  if (configured) {
    const char* local = std::getenv("LONGHAUL_SITE_RANK");
    config.device = local ? std::atoi(local) : 0;
    check(lhCommInit(&comms[0], &config), nullptr);
  } else {
    const int sites[] = {1, 1};
    config.device = 0;
    config.wan = "emulate_rtt=15ms,emulate_rate=1gbit";
    check(lhCommInitLoopback(comms.data(), sites, 2, &config), nullptr);
  }
  for (std::size_t i = 0; i < ranks.size(); ++i) ranks[i].comm = comms[i];
  const int result = train(ranks);
  for (Rank& r : ranks) lhCommDestroy(r.comm);
  return result;
}
