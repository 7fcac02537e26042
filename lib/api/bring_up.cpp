// SPDX-License-Identifier: Apache-2.0
#include "api/bring_up.h"

#include <openssl/rand.h>

#include <algorithm>

#include "api/device_half.h"
#include "api/first_calls.h"
#include "api/link_options.h"
#include "base/log.h"
#include "bootstrap/machine.h"
#include "config/environment.h"
#include "engine/session_channel.h"
#include "site/host/local_connect.h"
#include "transport/shaped.h"
#include "transport/ucx/ucx_transport.h"

namespace longhaul::api {
namespace {

/// A rank of this machine that has not joined by shared memory after this long is reached another way.
constexpr TimeNs kLocalJoin = 2 * kSecond;

/// A job whose sites are all on this machine has nothing to offer to a network (and may run without a secret).
config::Wan confined_to_loopback(const config::Config& config) {
  config::Wan wan = config.wan;
  const bool local = std::all_of(config.sites.begin(), config.sites.end(), [](const config::Site& site) {
    return site.address.host == "localhost" || site.address.host.starts_with("127.");
  });
  if (local && wan.bind.empty()) wan.bind = "127.0.0.1";
  return wan;
}

Result<std::unique_ptr<transport::Transport>> make_transport(const config::Wan& wan, int site_size, int rank) {
  auto ucx = transport::make_ucx_transport({.bind_host = wan.bind,
                                            .advertise_host = wan.advertise,
                                            .first_port = wan.ports.first,
                                            .last_port = wan.ports.last,
                                            .congestion = wan.congestion});
  if (!ucx.ok() || !wan.emulate.active()) return ucx;
  // The link is the site's: each of its ranks gets an equal share of the rate.
  auto shaped = std::make_unique<transport::ShapedTransport>(
      std::move(*ucx),
      std::vector<transport::LinkParameters>{{.one_way_ns = wan.emulate.rtt_ns / 2,
                                              .rate_bits_per_s = wan.emulate.rate_bits_per_s / static_cast<unsigned>(site_size),
                                              .loss = wan.emulate.loss,
                                              .seed = static_cast<std::uint64_t>(rank) + 1}});
  shaped->set_clock(steady_now);
  return std::unique_ptr<transport::Transport>(std::move(shaped));
}

/// One rank's way into the job, step by step.
class BringUp {
 public:
  BringUp(lhComm* comm, const config::Config& config, SiteWays ways)
      : comm_(comm),
        config_(config),
        ways_(std::move(ways)),
        deadline_(steady_now() + config.wan.timeout_ns),
        rendezvous_(config, comm->cancelled) {}

  Status run() {
    Status status = config_.device >= 0 ? open_device(comm_, config_.device) : Status();
    if (status.ok()) status = listen();
    if (status.ok()) status = meet();
    if (status.ok()) status = join_site();
    if (status.ok()) status = make_device_half();
    if (!status.ok()) return status;
    auto trace = open_trace(comm_->members);
    if (!trace.ok()) return trace.take_status();
    start_engine(std::move(*trace));
    if (Status ready = wait_for_device(*comm_, deadline_); !ready.ok()) return ready;
    return make_first_calls({.runner = comm_->runner.get(),
                             .topology = &comm_->members.topology,
                             .rank = comm_->members.rank,
                             .rate_limit = config_.wan.rate_limit_bits_per_s,
                             .cancelled = &comm_->cancelled,
                             .deadline = deadline_},
                            &comm_->link_rate);
  }

 private:
  Status listen();
  Status meet();
  Status join_site();
  Status agree_on_channels(bool* complete);
  Status read_records(const std::vector<std::vector<std::byte>>& all);
  Status join_by_mpi();
  Status make_device_half();
  void start_engine(std::unique_ptr<engine::Trace> trace);
  std::vector<engine::LinkPeer> link_peers() const;
  bool crosses_wan(int rank) const { return directory_.site_of(rank) != config_.site; }

  lhComm* comm_;
  const config::Config& config_;
  SiteWays ways_;
  TimeNs deadline_;
  bootstrap::Rendezvous rendezvous_;
  bootstrap::SiteExchange* exchange_ = nullptr;
  bootstrap::RankCard card_;
  bootstrap::Directory directory_;
  std::optional<site::LocalListener> local_;
  std::vector<std::unique_ptr<site::Channel>> channels_;
  std::vector<int> remote_in_site_;  // global ranks of this site reached by sessions
  DeviceRecord first_record_;        // of siteRank 0
  std::unique_ptr<site::NcclGroup> device_group_;
};

Status BringUp::listen() {
  if (Status opened = rendezvous_.open(); !opened.ok()) return opened;
  exchange_ = ways_.exchange ? ways_.exchange.get() : &rendezvous_.site_exchange();
  if (config_.site_size > kMaxSiteSize)
    return error(lhUnsupported, "site {} has {} ranks: this version reduces among at most {} ranks of a site on host memory",
                 config_.sites[static_cast<std::size_t>(config_.site)].name, config_.site_size, kMaxSiteSize);
  const bool transport_needed = config_.sites.size() > 1 || (config_.site_size > 1 && !ways_.channels);
  engine::Runner::MakeTransport make;
  if (transport_needed)
    make = [wan = confined_to_loopback(config_), size = config_.site_size, rank = config_.site * 1000 + config_.site_rank] {
      return make_transport(wan, size, rank);
    };
  comm_->runner = std::make_unique<engine::Runner>(std::move(make), config_.wan.idle);
  auto address = comm_->runner->listening();
  if (!address.ok()) return address.take_status();
  if (config_.site_size > 1) {
    auto opened = site::LocalListener::open();
    if (!opened.ok()) return opened.take_status();
    local_.emplace(std::move(*opened));
  }
  card_.site = static_cast<std::uint32_t>(config_.site);
  card_.site_rank = static_cast<std::uint32_t>(config_.site_rank);
  while (card_.instance == 0)
    if (RAND_bytes(reinterpret_cast<unsigned char*>(&card_.instance), sizeof card_.instance) != 1)
      return error(lhSystemError, "no random numbers from OpenSSL");
  card_.wan_host = address->host;
  card_.wan_port = address->port;
  card_.wan_data_ports = address->data_ports;
  card_.machine = bootstrap::machine_identity();
  card_.local_socket = local_ ? local_->name() : "";
  card_.config_text = config::shared_text(config_);
  return {};
}

Status BringUp::meet() {
  auto directory = rendezvous_.build_directory(*exchange_, card_, deadline_);
  if (!directory.ok()) return directory.take_status();
  directory_ = std::move(*directory);
  std::vector<std::string> names;
  for (const config::Site& site : config_.sites) names.push_back(site.name);
  comm_->members = {plan::Topology(directory_.site_sizes), std::move(names), 0};
  comm_->members.rank = comm_->members.topology.rank(config_.site, config_.site_rank);
  comm_->wan = config_.wan;
  for (std::size_t rank = 0; rank < directory_.cards.size(); ++rank)
    log_info(fmt::format("{} is at {}:{}", comm_->members.who(static_cast<int>(rank)), directory_.cards[rank].wan_host,
                         directory_.cards[rank].wan_port));
  return {};
}

/// Shared memory where two ranks share a machine; elsewhere MPI where the caller brought it, else a session.
Status BringUp::join_site() {
  if (config_.site_size == 1) return {};
  site::LocalPeers peers{.rank = config_.site_rank,
                         .sockets = {},
                         .token = {},
                         .max_payload = largest_payload(config_.wan),
                         .deadline = std::min(deadline_, steady_now() + kLocalJoin),
                         .accept_deadline = std::min(deadline_, steady_now() + kLocalJoin)};
  const plan::Topology& topology = comm_->members.topology;
  for (int i = 0; i < config_.site_size; ++i) {
    const auto& card = directory_.cards[static_cast<std::size_t>(topology.rank(config_.site, i))];
    peers.sockets.push_back(card.machine == card_.machine ? card.local_socket : "");
    if (i == 0) ByteWriter(Bytes(reinterpret_cast<std::byte*>(peers.token.data()), peers.token.size())).u64(card.instance);
  }
  auto joined = site::connect_peers(*local_, peers, comm_->cancelled);
  if (!joined.ok()) return joined.take_status();
  channels_ = std::move(*joined);
  bool complete = false;
  if (Status agreed = agree_on_channels(&complete); !agreed.ok()) return agreed;
  if (complete) return {};
  return ways_.channels ? join_by_mpi() : Status();
}

Status BringUp::join_by_mpi() {
  auto made = ways_.channels(largest_payload(config_.wan));
  if (!made.ok()) return made.take_status();
  for (std::size_t i = 0; i < channels_.size(); ++i)
    if (!channels_[i]) channels_[i] = std::move((*made)[i]);
  remote_in_site_.clear();
  return {};
}

/// A channel counts only where both ends have it. *complete: no pair of the site lacks one.
Status BringUp::agree_on_channels(bool* complete) {
  std::vector<std::byte> mine;
  for (const auto& channel : channels_) mine.push_back(channel ? std::byte{1} : std::byte{0});
  auto record = make_record(*comm_, config_.site_rank == 0, config_.site_size);
  if (!record.ok()) return record.take_status();
  record->append_to(&mine);
  auto all = exchange_->all_gather(mine, deadline_);
  if (!all.ok()) return all.take_status();
  *complete = true;
  for (std::size_t i = 0; i < all->size(); ++i)
    for (std::size_t j = 0; j < std::min(all->size(), (*all)[i].size()); ++j)
      if (i != j && (*all)[i][j] == std::byte{0}) *complete = false;
  for (int i = 0; i < config_.site_size; ++i) {
    const auto index = static_cast<std::size_t>(i);
    if (i == config_.site_rank) continue;
    const std::vector<std::byte>& theirs = (*all)[index];
    const auto own = static_cast<std::size_t>(config_.site_rank);
    if (own >= theirs.size() || theirs[own] == std::byte{0}) channels_[index].reset();
    if (!channels_[index]) remote_in_site_.push_back(comm_->members.topology.rank(config_.site, i));
  }
  return read_records(*all);
}

/// The records stand behind the flags of agree_on_channels().
Status BringUp::read_records(const std::vector<std::vector<std::byte>>& all) {
  std::vector<DeviceRecord> records;
  for (const std::vector<std::byte>& theirs : all) {
    const ConstBytes bytes(theirs);
    records.push_back(DeviceRecord::from(bytes.subspan(std::min(bytes.size(), all.size()))));
  }
  first_record_ = records[0];
  return check_site(config_.sites[static_cast<std::size_t>(config_.site)].name, records);
}

Status BringUp::make_device_half() {
  if (!comm_->gpu) return {};
  auto made = make_device_group(*comm_, first_record_, ways_.nccl);
  if (!made.ok()) return made.take_status();
  device_group_ = std::move(*made);
  return {};
}

std::vector<engine::LinkPeer> BringUp::link_peers() const {
  const engine::Members& members = comm_->members;
  std::vector<int> ranks = plan::wan_peers(members.topology, members.rank);
  ranks.insert(ranks.end(), remote_in_site_.begin(), remote_in_site_.end());
  std::vector<engine::LinkPeer> peers;
  for (const int rank : ranks) {
    const bootstrap::RankCard& card = directory_.cards[static_cast<std::size_t>(rank)];
    link::SessionOptions options = crosses_wan(rank) ? wan_session_options(config_.wan, members.topology, config_.site, rank)
                                                     : lan_session_options(config_.wan);
    options.peer_name = fmt::format("{} ({}:{})", members.who(rank), card.wan_host, card.wan_port);
    options.dialer = members.rank > rank;
    peers.push_back({rank, card.instance, {card.wan_host, card.wan_port, card.wan_data_ports}, std::move(options)});
  }
  return peers;
}

void BringUp::start_engine(std::unique_ptr<engine::Trace> trace) {
  const engine::Members members = comm_->members;
  comm_->runner->start([&](std::unique_ptr<transport::Transport> transport) {
    std::unique_ptr<engine::Links> links;
    const std::vector<engine::LinkPeer> peers = link_peers();
    if (transport && !peers.empty()) {
      auto* shaped = dynamic_cast<transport::ShapedTransport*>(transport.get());
      engine::Links::Identified identified;
      if (shaped)
        identified = [shaped, members](transport::EndpointId id, int rank, int) {
          const bool wan = members.topology.site_of(rank) != members.site();
          shaped->assign(id, wan ? 0 : transport::ShapedTransport::kPassThrough);
        };
      links = std::make_unique<engine::Links>(std::move(transport), security::Credentials{config_.run_id, config_.secret},
                                              members.rank, card_.instance, peers, std::move(identified));
    }
    std::unique_ptr<site::Group> group;
    if (config_.site_size > 1) {
      for (const int rank : remote_in_site_)
        channels_[static_cast<std::size_t>(members.topology.site_rank_of(rank))] =
            std::make_unique<engine::SessionChannel>(links->session(rank), largest_payload(config_.wan));
      group = std::make_unique<site::Group>(config_.site_rank, std::move(channels_));
    }
    return std::make_unique<engine::Engine>(members, engine_options(config_.wan), std::move(links), std::move(group), std::move(trace),
                                            std::move(device_group_));
  });
}

}  // namespace

Result<std::unique_ptr<engine::Trace>> open_trace(const engine::Members& members) {
  const auto prefix = config::variable(config::process_environment(), "LONGHAUL_TRACE");
  return prefix ? engine::Trace::open(*prefix, members) : std::unique_ptr<engine::Trace>();
}

Status bring_up(lhComm* comm, const config::Config& config, SiteWays ways) {
  return BringUp(comm, config, std::move(ways)).run();
}

lhResult_t start(lhComm_t* out, std::unique_ptr<lhComm> comm, config::Config config, SiteWays ways) {
  *out = nullptr;
  if (config.blocking) {
    const Status status = bring_up(comm.get(), config, std::move(ways));
    if (!status.ok()) return report(status);
    comm->finish_start({});
    *out = comm.release();
    return lhSuccess;
  }
  lhComm* handle = *out = comm.release();
  auto shared_ways = std::make_shared<SiteWays>(std::move(ways));
  handle->starter = std::thread([handle, config = std::move(config), shared_ways] {
    handle->finish_start(bring_up(handle, config, std::move(*shared_ways)));
  });
  return lhInProgress;
}

}  // namespace longhaul::api
