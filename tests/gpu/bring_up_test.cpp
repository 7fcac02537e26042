// SPDX-License-Identifier: Apache-2.0
// Ranks on GPUs that find each other as real jobs do: by addresses (lhCommInit), and through an NCCL communicator that a framework has already
// (lhCommInitNccl); over UCX on loopback.
#include <longhaul/nccl.h>

#include "contract/bootstrap_support.h"
#include "gpu/user.h"
#include "support/loopback.h"

using namespace longhaul::testing;
using namespace longhaul::testing::gpu;
namespace device = longhaul::device;

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

constexpr std::size_t kCount = 40'000;
constexpr int kRanks = 4, kSiteSize = 2;

struct Job {
  std::string sites, address[2];
  Job() {
    const auto ports = longhaul::bootstrap::testing::free_ports(4);
    sites = "north=127.0.0.1:" + std::to_string(ports[0]) + ",south=127.0.0.1:" + std::to_string(ports[1]);
    for (int site = 0; site < 2; ++site) address[site] = "127.0.0.1:" + std::to_string(ports[at(2 + site)]);
  }
  lhConfig_t config(int rank) const {
    lhConfig_t result = LH_CONFIG_INITIALIZER;
    result.sites = sites.c_str();
    result.site = rank / kSiteSize ? "south" : "north";
    result.siteAddress = address[rank / kSiteSize].c_str();
    result.wan = "timeout=20s,rate_limit=10gbit,staging=2MiB";
    return result;
  }
};

/// One rank: makes its communicator, sums once, leaves.
template <typename Init>
Outcome run_rank(int rank, const User& user, float* buffer, Init init) {
  lhComm_t comm = nullptr;
  if (const lhResult_t made = init(rank, &comm); made != lhSuccess) return {made, lhGetLastError(nullptr)};
  std::fill(buffer, buffer + kCount, static_cast<float>(rank + 1));
  Outcome outcome = lhAllReduce(buffer, buffer, kCount, lhFloat32, lhSum, comm, user.stream());
  user.synchronize();
  for (std::size_t i = 0; i < kCount && outcome.code == lhSuccess; ++i)
    if (buffer[i] != 10) outcome = {lhInternalError, "element " + std::to_string(i) + " is " + std::to_string(buffer[i])};
  int place = -1;
  if (lhCommCuDevice(comm, &place) != lhSuccess || place != rank) outcome = {lhInternalError, "the device is " + std::to_string(place)};
  const lhResult_t finalized = lhCommFinalize(comm);
  if (outcome.code == lhSuccess && finalized != lhSuccess) outcome = {finalized, lhGetLastError(comm)};
  lhCommDestroy(comm);
  return outcome;
}

template <typename Init>
void run_all(Init init) {
  const Watchdog watchdog("a job on GPUs");
  std::vector<Outcome> outcomes(kRanks);
  std::vector<std::unique_ptr<User>> users;
  std::vector<float*> buffers;
  for (int rank = 0; rank < kRanks; ++rank) {
    users.push_back(std::make_unique<User>(rank));
    buffers.push_back(users.back()->allocate<float>(kCount));
  }
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank)
    threads.emplace_back([&, rank] { outcomes[at(rank)] = run_rank(rank, *users[at(rank)], buffers[at(rank)], init); });
  for (std::thread& thread : threads) thread.join();
  for (const Outcome& outcome : outcomes) {
    INFO(outcome.text);
    CHECK(outcome.code == lhSuccess);
  }
}

/// A framework's own communicator, blocking as most are.
class Framework {
 public:
  Framework() : cuda_(*device::load_cuda()), nccl_(*device::load_nccl()) {
    for (device::NcclUniqueId& id : ids_) REQUIRE(nccl_->unique_id(&id) == 0);
  }
  ncclComm* join(int rank, device::CuContext* context) {
    cuda_->primary_retain(context, rank);
    cuda_->context_push(*context);
    device::NcclConfig config = nccl_->config();
    config.blocking = 1;
    ncclComm* comm = nullptr;
    nccl_->init_rank(&comm, kSiteSize, ids_[rank / kSiteSize], rank % kSiteSize, &config);
    return comm;
  }
  void leave(int rank, ncclComm* comm) {
    nccl_->destroy(comm);
    device::CuContext popped = nullptr;
    cuda_->context_pop(&popped);
    cuda_->primary_release(rank);
  }

 private:
  std::shared_ptr<const device::Cuda> cuda_;
  std::shared_ptr<const device::Nccl> nccl_;
  device::NcclUniqueId ids_[2];
};

}  // namespace

TEST_CASE("ranks on GPUs meet by addresses", "[gpu]") {
  begin({.devices = 4, .in_progress = 0.3});
  const Job job;
  run_all([&](int rank, lhComm_t* comm) {
    lhConfig_t config = job.config(rank);
    config.siteRank = rank % kSiteSize;
    config.siteSize = kSiteSize;
    config.device = rank;
    return lhCommInit(comm, &config);
  });
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
}

TEST_CASE("ranks of a site on GPUs and on host memory do not mix", "[gpu]") {
  begin({.devices = 4});
  const Job job;
  std::vector<Outcome> outcomes(kRanks);
  std::vector<std::thread> threads;
  const Watchdog watchdog("a mixed job");
  for (int rank = 0; rank < kRanks; ++rank)
    threads.emplace_back([&, rank] {
      lhConfig_t config = job.config(rank);
      config.siteRank = rank % kSiteSize;
      config.siteSize = kSiteSize;
      config.device = rank == 1 ? -1 : rank;
      config.wan = "timeout=3s,rate_limit=10gbit,staging=2MiB";
      lhComm_t comm = nullptr;
      outcomes[at(rank)].code = lhCommInit(&comm, &config);
      outcomes[at(rank)].text = lhGetLastError(nullptr);
      if (comm) lhCommDestroy(comm);
    });
  for (std::thread& thread : threads) thread.join();
  for (const int rank : {0, 1}) {
    CHECK(outcomes[at(rank)].code == lhInvalidUsage);
    CHECK(contains(outcomes[at(rank)].text, "rank 1 of site north has not a GPU and rank 0 has: set lhConfig_t.device at all ranks of a site"));
  }
  CHECK(left_over() == "");
}

TEST_CASE("a framework's NCCL communicator is adopted, and stays the framework's", "[gpu]") {
  begin({.devices = 4, .in_progress = 0.3});
  {
    const Job job;
    Framework framework;
    run_all([&](int rank, lhComm_t* comm) {
      lhConfig_t config = job.config(rank);
      config.siteAddress = nullptr;
      device::CuContext context = nullptr;
      ncclComm* theirs = framework.join(rank, &context);
      const lhResult_t made = lhCommInitNccl(comm, theirs, &config);
      framework.leave(rank, theirs);
      return made;
    });
  }
  CHECK(left_over() == "");
  CHECK(violations() == std::vector<std::string>{});
  lhComm_t comm = nullptr;
  CHECK(lhCommInitNccl(&comm, nullptr, nullptr) == lhInvalidArgument);
  CHECK(contains(lhGetLastError(nullptr), "site is NULL"));
}
