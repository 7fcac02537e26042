// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/flat_nccl.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

#include "benchmarks/failure.h"

namespace longhaul::perf {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kWho = "--baseline nccl: ";
/// NCCL itself never gives up: a rank that it cannot reach would be waited for without an end.
constexpr std::chrono::seconds kPatience{300};

bool may_share_gpus() {
  const char* value = std::getenv("NCCL_MULTI_RANK_GPU_ENABLE");
  return value && std::string_view(value) != "0";
}

void require_ok(const Status& status) {
  if (!status.ok()) throw Failure(kWho + status.text());
}

}  // namespace

FlatNccl::FlatNccl(const DeviceBuffers& buffers, Team* team) : buffers_(buffers), team_(team) {
  const auto nccl = device::load_nccl();
  if (!nccl.ok()) throw Failure(kWho + nccl.status().text());
  require_own_gpu();
  const device::NcclUniqueId id = exchange_id(**nccl);
  const device::Current current(buffers_.gpu());
  require_ok(current.status());
  comm_ = std::make_unique<site::NcclComm>(
      *nccl, site::NcclOptions{.max_ctas = 0, .traffic_class = -1, .name = "all ranks, flat"});
  comm_->start(id, team_->size(), team_->rank());
  wait("connecting all ranks", [&] { return !comm_->busy(); });
}

FlatNccl::~FlatNccl() {
  const device::Current current(buffers_.gpu());
  comm_.reset();
}

void FlatNccl::require_own_gpu() const {
  const auto gpus = gather(*team_, buffers_.gpu().uuid());
  for (std::size_t i = 0; i < gpus.size() && !may_share_gpus(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (std::memcmp(&gpus[i], &gpus[j], sizeof gpus[i]) != 0) continue;
      throw Failure(
          fmt::format("{}rank {} and rank {} use the same GPU, and NCCL wants one for each: start fewer ranks or leave "
                      "the baseline "
                      "out; NCCL 2.30 and newer can share one with NCCL_MULTI_RANK_GPU_ENABLE=1 and NCCL_NVLS_ENABLE=0",
                      kWho, j, i));
    }
  }
}

/// Rank 0's, over whatever connects the team: threads, MPI, or Longhaul itself.
device::NcclUniqueId FlatNccl::exchange_id(const device::Nccl& nccl) const {
  struct Made {
    device::NcclUniqueId id;
    device::NcclResult result;
  } mine{};
  if (team_->rank() == 0) mine.result = nccl.unique_id(&mine.id);
  const Made made = gather(*team_, mine)[0];
  if (made.result != device::kNcclSuccess)
    throw Failure(
        fmt::format("{}ncclGetUniqueId: {}: NCCL found no network interface, or NCCL_SOCKET_IFNAME names none", kWho,
                    nccl.error_string ? nccl.error_string(made.result) : "NCCL failed"));
  return made.id;
}

template <typename Done>
void FlatNccl::wait(const char* what, const Done& done) {
  const Clock::time_point until = Clock::now() + kPatience;
  for (int turn = 1; !done(); ++turn) {
    require_ok(comm_->failure());
    if (turn % 1024 == 0) {  // not for every look at a call that takes microseconds
      comm_->look_for_failure();
      team_->check();
      if (Clock::now() >= until) throw Failure(fmt::format("{}{}: no end after {} s", kWho, what, kPatience.count()));
    }
    std::this_thread::yield();
  }
  require_ok(comm_->failure());
}

void FlatNccl::all_reduce(const Case& row, bool in_place) {
  if (row.count == 0) return;
  const device::Current current(buffers_.gpu());
  require_ok(current.status());
  std::byte* const receive = buffers_.receive();
  comm_->accept(comm_->api().all_reduce(in_place ? receive : buffers_.send(), receive, row.count, row.type, row.op,
                                        comm_->get(), buffers_.stream()),
                "ncclAllReduce");
  wait("ncclAllReduce", [&] { return !comm_->busy() && buffers_.idle(); });
}

}  // namespace longhaul::perf
