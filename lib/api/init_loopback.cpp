// SPDX-License-Identifier: Apache-2.0
// lhCommInitLoopback: all ranks of all sites in this process, each with its own engine thread; the WAN is a simulated network.
#include <cstddef>
#include <span>

#include "api/bring_up.h"
#include "api/device_half.h"
#include "api/first_calls.h"
#include "api/link_options.h"
#include "site/host/shm_channel.h"
#include "transport/sim/network.h"

namespace longhaul::api {
namespace {

constexpr int kMaxSites = 8;
constexpr int kMaxRanks = 512;

using ChannelRow = std::vector<std::unique_ptr<site::Channel>>;

/// rows[i][j]: rank i's channel to rank j of one site.
Result<std::vector<ChannelRow>> connect_site(int size, std::size_t max_payload) {
  std::vector<ChannelRow> rows(static_cast<std::size_t>(size));
  for (auto& row : rows) row.resize(static_cast<std::size_t>(size));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = i + 1; j < rows.size(); ++j) {
      auto pair = site::make_local_pair(max_payload);
      if (!pair.ok()) return pair.take_status();
      rows[i][j] = std::move(pair->first);
      rows[j][i] = std::move(pair->second);
    }
  }
  return rows;
}

std::shared_ptr<transport::Network> make_network(const plan::Topology& topology, const config::Wan& wan) {
  std::vector<int> site_of_node;
  for (int rank = 0; rank < topology.ranks(); ++rank) site_of_node.push_back(topology.site_of(rank));
  transport::SimOptions options;
  options.link = {.one_way_ns = wan.emulate.rtt_ns / 2,
                  .rate_bits_per_s = wan.emulate.rate_bits_per_s,
                  .loss = wan.emulate.loss,
                  .seed = 1};
  auto network = std::make_shared<transport::Network>(site_of_node, options);
  network->set_clock(steady_now);
  return network;
}

struct RankParts {
  ChannelRow channels;
  std::unique_ptr<engine::Trace> trace;
  std::unique_ptr<site::NcclGroup> device;
};

void start_rank(lhComm* comm, const std::shared_ptr<transport::Network>& network, RankParts parts) {
  const engine::Members& members = comm->members;
  const bool wan = members.topology.sites() > 1;
  engine::Runner::MakeTransport make_transport;
  if (wan) make_transport = [network, rank = members.rank] { return Result(network->make_transport(rank)); };
  comm->runner = std::make_unique<engine::Runner>(std::move(make_transport), comm->wan.idle);
  LH_CHECK(comm->runner->listening().ok());
  comm->runner->start([&](std::unique_ptr<transport::Transport> transport) {
    std::unique_ptr<engine::Links> links;
    if (wan) {
      std::vector<engine::LinkPeer> peers;
      for (const int rank : plan::wan_peers(members.topology, members.rank)) {
        link::SessionOptions options = loopback_session_options(comm->wan);
        options.peer_name = members.who(rank);
        options.dialer = members.rank > rank;
        peers.push_back({rank, static_cast<std::uint64_t>(rank) + 1,
                         transport::Address{"", static_cast<std::uint16_t>(rank)}, std::move(options)});
      }
      links = std::make_unique<engine::Links>(std::move(transport), security::Credentials{"loopback", {}}, members.rank,
                                              static_cast<std::uint64_t>(members.rank) + 1, peers, nullptr);
    }
    std::unique_ptr<site::Group> group;
    if (members.site_size() > 1) group = std::make_unique<site::Group>(members.site_rank(), std::move(parts.channels));
    return std::make_unique<engine::Engine>(members, engine_options(comm->wan), std::move(links), std::move(group), std::move(parts.trace),
                                            std::move(parts.device));
  });
}

Status check_shape(const lhComm_t* comms, const int* site_sizes, int sites) {
  if (!comms || !site_sizes) return error(lhInvalidArgument, "comms or siteSizes is NULL");
  if (sites < 1 || sites > kMaxSites) return error(lhInvalidArgument, "nSites is {}: 1 to {} sites are possible", sites, kMaxSites);
  int ranks = 0;
  for (int i = 0; i < sites; ++i) {
    if (site_sizes[i] < 1 || site_sizes[i] > kMaxSiteSize)
      return error(lhInvalidArgument, "siteSizes[{}] is {}: 1 to {} ranks are possible", i, site_sizes[i], kMaxSiteSize);
    ranks += site_sizes[i];
  }
  if (ranks > kMaxRanks) return error(lhInvalidArgument, "{} ranks in one process: at most {} are possible", ranks, kMaxRanks);
  return {};
}

/// The ranks of a site on their GPUs: global rank r on the one that comes r after `first_device`, counted round the machine.
Status open_devices(std::span<const std::unique_ptr<lhComm>> ranks, int first_device, DeviceRecord* ids) {
  auto count = device::Gpu::count();
  if (!count.ok()) return count.take_status();
  if (*count == 0) return error(lhInvalidArgument, "device {} does not exist: this process sees no GPU", first_device);
  std::vector<DeviceRecord> records;
  for (const auto& comm : ranks) {
    // A number that no GPU has stays what it is, and is refused.
    const int device = first_device < *count ? (first_device + comm->members.rank) % *count : first_device;
    if (Status opened = open_device(comm.get(), device); !opened.ok()) return opened;
    auto record = make_record(*comm, records.empty(), static_cast<int>(ranks.size()));
    if (!record.ok()) return record.take_status();
    records.push_back(*record);
  }
  *ids = records[0];
  const engine::Members& members = ranks.front()->members;
  return check_site(members.site_names[static_cast<std::size_t>(members.site())], records);
}

/// All ranks of one site, on `device` and its neighbours unless that is -1.
Status make_site(std::span<const std::unique_ptr<lhComm>> ranks, const std::shared_ptr<transport::Network>& network, int device) {
  auto rows = connect_site(static_cast<int>(ranks.size()), largest_payload(ranks.front()->wan));
  if (!rows.ok()) return rows.take_status();
  DeviceRecord ids;
  if (device >= 0)
    if (Status opened = open_devices(ranks, device, &ids); !opened.ok()) return opened;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    RankParts parts{.channels = std::move((*rows)[i]), .trace = nullptr, .device = nullptr};
    auto trace = open_trace(ranks[i]->members);
    if (!trace.ok()) return trace.take_status();
    parts.trace = std::move(*trace);
    if (device >= 0) {
      auto group = make_device_group(*ranks[i], ids, nullptr);
      if (!group.ok()) return group.take_status();
      parts.device = std::move(*group);
    }
    start_rank(ranks[i].get(), network, std::move(parts));
  }
  return {};
}

Status make_all(std::vector<std::unique_ptr<lhComm>>* comms, const plan::Topology& topology, const config::Wan& wan, int device) {
  const auto network = make_network(topology, wan);
  std::vector<std::string> names;
  for (int site = 0; site < topology.sites(); ++site) names.push_back("site" + std::to_string(site));
  for (int site = 0; site < topology.sites(); ++site) {
    const auto size = static_cast<std::size_t>(topology.size_of(site));
    for (std::size_t i = 0; i < size; ++i) {
      auto comm = std::make_unique<lhComm>();
      comm->members = {topology, names, static_cast<int>(comms->size())};
      comm->wan = wan;
      comms->push_back(std::move(comm));
    }
    if (Status made = make_site(std::span(*comms).last(size), network, device); !made.ok()) return made;
  }
  const TimeNs deadline = steady_now() + wan.timeout_ns;
  for (const auto& comm : *comms)
    if (Status ready = wait_for_device(*comm, deadline); !ready.ok()) return ready;
  std::vector<engine::Request> barriers(comms->size());
  for (std::size_t i = 0; i < barriers.size(); ++i) {
    prepare_first_call(&barriers[i], deadline);
    (*comms)[i]->runner->submit(&barriers[i]);
  }
  Status first;
  for (engine::Request& barrier : barriers) {
    barrier.wait();
    if (first.ok()) first = std::move(barrier.result);
  }
  return first;
}

}  // namespace
}  // namespace longhaul::api

using namespace longhaul;

lhResult_t lhCommInitLoopback(lhComm_t* comms, const int* siteSizes, int nSites, const lhConfig_t* config) {
  if (Status status = api::check_shape(comms, siteSizes, nSites); !status.ok()) return api::report(status);
  auto wan = config::resolve_loopback(config, config::process_environment());
  if (!wan.ok()) return api::report(wan.status());
  const bool has_device = config && config->size >= offsetof(lhConfig_t, device) + sizeof config->device;
  const int device = has_device ? config->device : -1;
  const plan::Topology topology(std::vector<int>(siteSizes, siteSizes + nSites));
  for (int rank = 0; rank < topology.ranks(); ++rank) comms[rank] = nullptr;
  std::vector<std::unique_ptr<lhComm>> made;
  if (Status status = api::make_all(&made, topology, *wan, device); !status.ok()) {
    // Those that run already would wait for the others before they leave.
    for (const auto& comm : made)
      if (comm->runner) comm->runner->engine().abort();
    return api::report(status);
  }
  for (std::size_t i = 0; i < made.size(); ++i) {
    made[i]->finish_start({});
    comms[i] = made[i].release();
  }
  return lhSuccess;
}
