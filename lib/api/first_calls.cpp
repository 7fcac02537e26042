// SPDX-License-Identifier: Apache-2.0
#include "api/first_calls.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <span>
#include <thread>

#include "api/warm_up.h"
#include "base/log.h"

namespace longhaul::api {
namespace {

/// An all-reduce of these values in place; a barrier where there are none.
Status call(const FirstCalls& calls, std::span<float> values) {
  engine::Request request;
  prepare_first_call(&request, calls.deadline);
  if (!values.empty()) request.call = {.collective = plan::Collective::AllReduce, .type = lhFloat32, .count = values.size()};
  request.recv = reinterpret_cast<std::byte*>(values.data());
  request.send = request.recv;
  calls.runner->submit(&request);
  while (!request.finished()) {
    if (calls.cancelled->load()) calls.runner->abort();
    // A short nap keeps lhCommAbort of a starting communicator prompt without a second wake-up path.
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return request.result.ok() ? Status() : std::move(request.result).with("joining the job");
}

/// Each of the numbers becomes the largest of all ranks, the same everywhere.
Status agree_on_largest(const FirstCalls& calls, std::span<float> numbers) {
  std::vector<float> all(static_cast<std::size_t>(calls.topology->ranks()) * numbers.size());
  const auto own = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(calls.rank) * numbers.size());
  std::copy(numbers.begin(), numbers.end(), all.begin() + own);
  Status status = call(calls, all);
  std::fill(numbers.begin(), numbers.end(), 0.0F);
  for (std::size_t i = 0; i < all.size(); ++i) numbers[i % numbers.size()] = std::max(numbers[i % numbers.size()], all[i]);
  return status;
}

int largest_site(const plan::Topology& topology) {
  int largest = 0;
  for (int site = 0; site < topology.sites(); ++site) largest = std::max(largest, topology.size_of(site));
  return largest;
}

}  // namespace

void prepare_first_call(engine::Request* request, TimeNs deadline) {
  request->call = {.collective = plan::Collective::Barrier, .type = lhInt8};
  request->deadline = deadline;
  request->counted = false;
}

Status wait_for_device(const lhComm& comm, TimeNs deadline) {
  const engine::Engine& engine = comm.runner->engine();
  while (comm.gpu && !engine.device_ready()) {
    if (engine.failed()) return engine.failure().with("connecting the site by NCCL");
    if (comm.cancelled.load()) return error(lhAborted, "lhCommAbort was called while the site was being connected by NCCL");
    if (steady_now() >= deadline) return error(lhTimeout, "NCCL did not connect the ranks of the site in time: NCCL_DEBUG=INFO tells more");
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return {};
}

Status make_first_calls(const FirstCalls& calls, double* link_rate) {
  if (calls.topology->sites() == 1) return call(calls, {});
  engine::Engine& engine = calls.runner->engine();
  // The limit is each rank's own setting; who is to move how much must be decided alike.
  std::array<float, 1> limit{static_cast<float>(calls.rate_limit) / 8};
  if (Status connected = agree_on_largest(calls, limit); !connected.ok()) return connected;
  WarmUp warm_up(largest_site(*calls.topology), static_cast<double>(limit[0]));
  for (std::vector<float> values; warm_up.bytes() > 0;) {
    values.assign(warm_up.bytes() / sizeof(float), 0);
    engine.links_carry(warm_up.pace());
    const TimeNs began = steady_now();
    if (Status moved = call(calls, values); !moved.ok()) return moved;
    const TimeNs ended = steady_now();
    const engine::EngineStats seen = engine.stats();
    // The slowest delivery is the largest time a byte takes; infinite where a rank cannot tell.
    std::array<float, 4> round{static_cast<float>(ended - began), static_cast<float>(seen.least_rtt_ns), static_cast<float>(1 / seen.delivery_rate),
                               seen.empty_paths ? 0.0F : 1.0F};
    if (Status agreed = agree_on_largest(calls, round); !agreed.ok()) return agreed;
    const auto [took, rtt, byte_time, crowded] = round;
    log_debug(fmt::format("warm-up: {} bytes at {:.0f} Mbit/s in {:.1f} ms, {:.0f} Mbit/s in its middle, {}, round trip {:.1f} ms", warm_up.bytes(),
                          warm_up.pace() * 8e-6,
                          took / 1e6F, 8e-6F / byte_time, crowded > 0 ? "a queue or unknown" : "no queue", rtt / 1e6F));
    warm_up.next({.took = static_cast<TimeNs>(took),
                  .one_way = static_cast<TimeNs>(rtt) / 2,
                  .delivered = byte_time > 0 ? 1 / byte_time : 0,
                  .empty_path = crowded == 0});
  }
  *link_rate = warm_up.rate() * 8;
  // A configured limit is better than anything measured: nothing is paced besides.
  if (limit[0] <= 0) engine.links_carry(warm_up.rate());
  if (*link_rate > 0) log_info(fmt::format("pacing to {:.0f} Mbit/s a link each way", *link_rate / 1e6));
  return {};
}

}  // namespace longhaul::api
