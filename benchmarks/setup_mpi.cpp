// SPDX-License-Identifier: Apache-2.0
// Ranks started by mpirun: either each launch is one site of a configured job, or one launch is cut into sites that
// talk over 127.0.0.1. A failure ends the launch with MPI_Abort: ranks may be waiting for this one inside MPI.
#include <arpa/inet.h>
#include <longhaul/mpi.h>
#include <mpi.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <numeric>
#include <vector>

#include "benchmarks/machine.h"
#include "benchmarks/run.h"

namespace longhaul::perf {
namespace {

void require_mpi(int code, const char* call) {
  if (code != MPI_SUCCESS) throw Failure(std::string(call) + " failed");
}

// Between the ranks of one launch; where that is all ranks, in the same order as theirs.
class MpiTeam final : public Team {
 public:
  MpiTeam() {
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override { require_mpi(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier"); }
  void all_gather(const void* mine, void* all, std::size_t bytes) override {
    const int n = static_cast<int>(bytes);
    require_mpi(MPI_Allgather(mine, n, MPI_BYTE, all, n, MPI_BYTE, MPI_COMM_WORLD), "MPI_Allgather");
  }

 private:
  int rank_ = 0, size_ = 0;
};

int local_rank() {
  MPI_Comm machine = MPI_COMM_NULL;
  int rank = 0;
  require_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine),
              "MPI_Comm_split_type");
  MPI_Comm_rank(machine, &rank);
  MPI_Comm_free(&machine);
  return rank;
}

class Mpi {
 public:
  Mpi() {
    int provided = 0;
    MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided);
  }
  ~Mpi() { MPI_Finalize(); }
  Mpi(const Mpi&) = delete;
  Mpi& operator=(const Mpi&) = delete;
};

// Free ports of 127.0.0.1, all held until every one is known so that they differ.
std::vector<int> free_ports(int count) {
  std::vector<int> ports, sockets;
  for (int i = 0; i < count; ++i) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    if (fd < 0 || bind(fd, generic, length) != 0 || getsockname(fd, generic, &length) != 0) break;
    sockets.push_back(fd);
    ports.push_back(ntohs(address.sin_port));
  }
  for (const int fd : sockets) close(fd);
  if (static_cast<int>(ports.size()) < count) throw Failure("no free port on 127.0.0.1 for the sites");
  return ports;
}

std::string site_name(std::size_t site) { return "site" + std::to_string(site); }

// What every rank of a split launch needs to know, decided by rank 0.
struct SplitPlan {
  std::array<int, 8> ports{};
  int pid = 0;
};

std::string sites_text(const SplitPlan& plan, std::size_t sites) {
  std::string text;
  for (std::size_t s = 0; s < sites; ++s) {
    text += (s ? "," : "") + site_name(s) + "=127.0.0.1:" + std::to_string(plan.ports[s]);
  }
  return text;
}

void require_one_host(Team& team) {
  std::array<char, 64> mine{};
  const std::string host = host_name();
  std::memcpy(mine.data(), host.data(), std::min(host.size(), mine.size() - 1));
  const auto hosts = gather(team, mine);
  for (const auto& other : hosts) {
    if (other == hosts[0]) continue;
    throw Failure(
        std::string("this launch spans ") + hosts[0].data() + " and " + other.data() +
            ", but --sites splits the ranks of one machine: give LONGHAUL_CONFIG and start one launch per site",
        kExitUsage);
  }
}

std::size_t site_of(int rank, const std::vector<int>& sizes) {
  std::size_t site = 0;
  for (int end = sizes[0]; rank >= end; end += sizes[site]) ++site;
  return site;
}

void init_split(const Options& options, MpiTeam& team, MPI_Comm* site_comm, lhComm_t* comm) {
  const int sites = options.sites > 0 ? options.sites : 2;
  if (team.size() < sites) {
    throw Failure(
        std::to_string(team.size()) + " ranks cannot fill " + std::to_string(sites) + " sites: start more ranks",
        kExitUsage);
  }
  require_one_host(team);
  const std::vector<int> sizes = site_sizes(team.size(), sites);
  const std::size_t site = site_of(team.rank(), sizes);
  SplitPlan plan;
  if (team.rank() == 0) {
    const std::vector<int> ports = free_ports(sites);
    std::copy(ports.begin(), ports.end(), plan.ports.begin());
    plan.pid = static_cast<int>(getpid());
  }
  require_mpi(MPI_Bcast(&plan, sizeof(plan), MPI_BYTE, 0, MPI_COMM_WORLD), "MPI_Bcast");
  require_mpi(MPI_Comm_split(MPI_COMM_WORLD, static_cast<int>(site), team.rank(), site_comm), "MPI_Comm_split");

  // The environment wins over the struct, and --sites over both. The secret, if there is one, stays as configured.
  for (const char* name : {"LONGHAUL_SITES", "LONGHAUL_SITE", "LONGHAUL_RUN_ID"}) unsetenv(name);
  const std::string names = sites_text(plan, sizes.size());
  const std::string name = site_name(site);
  const std::string run_id = "all_reduce_perf-" + std::to_string(plan.pid);
  std::string wan;
  lhConfig_t config = LH_CONFIG_INITIALIZER;
  config.sites = names.c_str();
  config.site = name.c_str();
  config.runId = run_id.c_str();
  config.wan = wan_or_null(options, &wan);
  config.device = device_of(options, local_rank());
  require(lhCommInitMPI(comm, *site_comm, &config), nullptr, "lhCommInitMPI");
}

// Prints, tells the other sites, and ends this launch.
void give_up(int rank, const RankResult& result, lhComm_t comm) {
  print_error(rank, result.error);
  if (comm) static_cast<void>(lhCommAbort(comm));
  MPI_Abort(MPI_COMM_WORLD, result.exit_status);
}

// `init` connects; `run` measures. Whatever either throws or reports ends in give_up.
template <typename Init, typename Run>
Outcome run_launched(const Init& init, const Run& run) {
  const Mpi mpi;
  MpiTeam team;
  lhComm_t comm = nullptr;
  RankResult result;
  try {
    init(team, &comm);
    result = run(team, comm);
  } catch (const Failure& failure) {
    result = {failure.exit_status(), failure.what(), -1, {}};
  } catch (const std::exception& other) {
    result = {kExitLibrary, other.what(), -1, {}};
  }
  if (!comm && result.exit_status == kExitUsage) {  // all ranks found the same: one says it, and nobody waits
    if (team.rank() == 0) print_error(-1, result.error);
    return outcome_of(std::move(result));
  }
  if (!result.error.empty()) {
    give_up(team.rank(), result, comm);
  } else {
    static_cast<void>(lhCommDestroy(comm));
  }
  return outcome_of(std::move(result));
}

}  // namespace

bool built_with_mpi() { return true; }

Outcome run_configured_mpi(const Options& options) {
  const auto init = [&](MpiTeam&, lhComm_t* comm) {
    std::string wan;
    lhConfig_t config = LH_CONFIG_INITIALIZER;
    config.wan = wan_or_null(options, &wan);
    config.device = device_of(options, local_rank());
    require(lhCommInitMPI(comm, MPI_COMM_WORLD, &config), nullptr, "lhCommInitMPI");
  };
  const auto run = [&](MpiTeam&, lhComm_t comm) {
    LibraryTeam everybody(comm);  // MPI ends at the site
    return run_rank_safely(options, "one launch per site", comm, everybody);
  };
  return run_launched(init, run);
}

Outcome run_split_mpi(const Options& options) {
  MPI_Comm site_comm = MPI_COMM_NULL;
  const auto init = [&](MpiTeam& team, lhComm_t* comm) { init_split(options, team, &site_comm, comm); };
  const auto run = [&](MpiTeam& team, lhComm_t comm) {
    return run_rank_safely(options, "one launch split into sites on 127.0.0.1", comm, team);
  };
  return run_launched(init, run);
}

}  // namespace longhaul::perf
