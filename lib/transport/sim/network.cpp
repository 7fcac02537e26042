// SPDX-License-Identifier: Apache-2.0
#include "transport/sim/network.h"

#include <numeric>

#include "base/check.h"
#include "transport/sim/fabric.h"
#include "transport/sim/sim_transport.h"

namespace longhaul::transport {
namespace {

std::vector<int> one_site_each(int nodes) {
  LH_CHECK(nodes >= 0);
  std::vector<int> sites(static_cast<std::size_t>(nodes));
  std::iota(sites.begin(), sites.end(), 0);
  return sites;
}

}  // namespace

Network::Network(std::vector<int> site_of_node, const SimOptions& options)
    : fabric_(std::make_shared<Fabric>(std::move(site_of_node), options)) {}

Network::Network(int nodes, const SimOptions& options) : Network(one_site_each(nodes), options) {}

std::unique_ptr<Transport> Network::make_transport(int node) {
  LH_CHECK(node >= 0 && node < nodes());
  return std::make_unique<SimTransport>(fabric_, node);
}

void Network::set_clock(std::function<TimeNs()> clock) { fabric_->set_clock(std::move(clock)); }

void Network::set_link(int from_site, int to_site, const LinkParameters& parameters) {
  fabric_->set_link(from_site, to_site, parameters);
}

void Network::set_faults(const Faults& faults) { fabric_->set_faults(faults); }

void Network::kill_node(int node) { fabric_->kill_node(node); }

void Network::restore_node(int node) { fabric_->restore_node(node); }

void Network::cut(int a, int b, bool on) {
  fabric_->cut(a, b, on);
  fabric_->cut(b, a, on);
}

void Network::cut_one_way(int from, int to, bool on) { fabric_->cut(from, to, on); }

void Network::restore() { fabric_->restore(); }

void Network::reset(int a, int b) { fabric_->reset(a, b); }

SimCounters Network::counters() const { return fabric_->counters(); }

LinkModel Network::link(int from_site, int to_site) const { return fabric_->link(from_site, to_site); }

int Network::nodes() const { return fabric_->nodes(); }

}  // namespace longhaul::transport
