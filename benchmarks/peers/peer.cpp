// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/peers/peer.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <optional>
#include <sstream>
#include <vector>

#include "benchmarks/process.h"
#include "benchmarks/statistics.h"

namespace longhaul::perf {
namespace {

using Clock = std::chrono::steady_clock;

/// Small integers, so that the sum over any number of ranks is exact in any order.
float value(int rank, std::size_t index, std::uint32_t round) {
  const std::uint32_t of_rank = static_cast<std::uint32_t>(rank) * 40503u + round * 97u;
  const std::uint32_t mixed = (static_cast<std::uint32_t>(index) + 1) * 2654435761u + of_rank * 65536u;
  return static_cast<float>(static_cast<int>(mixed >> 22) - 512);
}

void fill(std::span<float> buffer, int rank, std::uint32_t round) {
  for (std::size_t i = 0; i < buffer.size(); ++i) buffer[i] = value(rank, i, round);
}

std::uint64_t count_wrong(std::span<const float> result, int ranks, std::uint32_t round) {
  std::uint64_t wrong = 0;
  for (std::size_t i = 0; i < result.size(); ++i) {
    float sum = 0;
    for (int rank = 0; rank < ranks; ++rank) sum += value(rank, i, round);
    wrong += result[i] != sum;
  }
  return wrong;
}

struct DeviceBytes {
  std::uint64_t received = 0, sent = 0;
};

/// /proc/net/dev shows the network namespace of the reader, which /sys does only where it was mounted for it.
std::optional<DeviceBytes> device_bytes(const std::string& device) {
  std::ifstream file("/proc/self/net/dev");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.substr(line.find_first_not_of(' '), colon - line.find_first_not_of(' ')) != device) continue;
    std::istringstream fields(line.substr(colon + 1));
    std::vector<std::uint64_t> numbers(9);
    for (std::uint64_t& number : numbers) fields >> number;
    if (fields) return DeviceBytes{numbers[0], numbers[8]};
  }
  if (!device.empty()) throw std::runtime_error("there is no network device '" + device + "' here (--device)");
  return std::nullopt;
}

std::string whole_floats(const std::string& bytes) {
  const std::uint64_t number = std::stoull(bytes);
  return number == 0 || number % sizeof(float) != 0 ? bytes + " is not a positive multiple of 4" : "";
}

struct Buffers {
  explicit Buffers(std::size_t count) : input(count), output(count) {}
  std::vector<float> input, output;
};

/// Puts the input where the peer wants it, and waits for the others.
void prepare(Peer* peer, Buffers* buffers) {
  if (peer->in_place()) buffers->output = buffers->input;  // the same size: the memory stays where it is
  peer->barrier();
}

struct Timed {
  Times ms;
  double cpu_s = 0;                        ///< of all ranks, in all timed calls together
  std::optional<DeviceBytes> before, now;  ///< of this rank's device
};

Timed time_calls(const PeerOptions& options, Peer* peer, Buffers* buffers) {
  fill(buffers->input, peer->rank(), 0);
  std::vector<double> mine;
  double cpu = 0;
  Timed timed;
  for (int i = -options.warmup; i < options.iterations; ++i) {
    prepare(peer, buffers);
    if (i == 0) {
      cpu = cpu_seconds();
      timed.before = device_bytes(options.device);
    }
    const Clock::time_point start = Clock::now();
    peer->all_reduce();
    if (i >= 0) mine.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  peer->barrier();  // a rank is done when it has received everything; now everything has also been sent
  cpu = cpu_seconds() - cpu;
  timed.now = device_bytes(options.device);
  std::vector<double> all(mine.size() * static_cast<std::size_t>(peer->size()));
  peer->all_gather(mine.data(), all.data(), mine.size() * sizeof(double));
  timed.ms = summarise(across_ranks(all, mine.size(), Across::Mean));
  const std::vector<double> used = gather(*peer, cpu);
  timed.cpu_s = std::accumulate(used.begin(), used.end(), 0.0);
  return timed;
}

std::uint64_t check_call(Peer* peer, Buffers* buffers) {
  fill(buffers->input, peer->rank(), 1);
  std::fill(buffers->output.begin(), buffers->output.end(), 0.5f);  // no sum of integers: a call that writes nothing must not pass
  prepare(peer, buffers);
  peer->all_reduce();
  const std::vector<std::uint64_t> wrong = gather(*peer, count_wrong(buffers->output, peer->size(), 1));
  return std::accumulate(wrong.begin(), wrong.end(), std::uint64_t{0});
}

nlohmann::json to_json(const PeerOptions& options, const Peer& peer, const Timed& timed, std::uint64_t wrong) {
  nlohmann::json json = peer.describe();
  json.update({{"bytes", options.bytes}, {"in_place", peer.in_place()}, {"ranks", peer.size()}, {"iterations", options.iterations},
               {"warmup", options.warmup}, {"median_ms", timed.ms.median}, {"best_ms", timed.ms.min}, {"p99_ms", timed.ms.p99},
               {"wrong", wrong}, {"cpu_s", timed.cpu_s}});
  if (!timed.now) return json;
  const auto sent = static_cast<double>(timed.now->sent - timed.before->sent);
  const auto received = static_cast<double>(timed.now->received - timed.before->received);
  json["wire_bytes_out"] = sent / options.iterations;
  json["wire_bytes_in"] = received / options.iterations;
  json["cpu_s_per_gb"] = sent + received > 0 ? nlohmann::json(timed.cpu_s / (sent + received) * 1e9) : nlohmann::json(nullptr);
  return json;
}

}  // namespace

void add_options(CLI::App* app, PeerOptions* options) {
  app->add_option("--bytes", options->bytes, "of the fp32 buffer")
      ->transform(CLI::AsSizeValue(false))
      ->check(whole_floats)
      ->capture_default_str();
  app->add_option("--iterations", options->iterations)->capture_default_str()->check(CLI::PositiveNumber);
  app->add_option("--warmup", options->warmup)->capture_default_str()->check(CLI::NonNegativeNumber);
  app->add_option("--device", options->device, "network device whose bytes count as the wire's");
}

int run_peer(const PeerOptions& options, Peer* peer) {
  Buffers buffers(options.bytes / sizeof(float));
  peer->bind(buffers.input, buffers.output);
  const Timed timed = time_calls(options, peer, &buffers);
  const std::uint64_t wrong = check_call(peer, &buffers);
  if (peer->rank() == 0) {
    std::printf("%s\n", to_json(options, *peer, timed, wrong).dump().c_str());
    std::fflush(stdout);
  }
  return wrong == 0 ? 0 : 1;
}

}  // namespace longhaul::perf
