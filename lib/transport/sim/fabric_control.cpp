// SPDX-License-Identifier: Apache-2.0
// What the Network does to its nodes, links and connections.
#include <algorithm>

#include "base/check.h"
#include "transport/sim/fabric.h"

namespace longhaul::transport {

void Fabric::kill_node(int node) {
  const std::lock_guard lock(mutex_);
  Node& killed = nodes_[index(node)];
  if (killed.down) return;
  const TimeNs now = time();
  for (const EndpointId endpoint : endpoints_of(node)) kill(find(endpoint), endpoint, now);
  killed.down = true;
}

void Fabric::restore_node(int node) {
  const std::lock_guard lock(mutex_);
  nodes_[index(node)].down = false;
}

void Fabric::reset(int a, int b) {
  const std::lock_guard lock(mutex_);
  const TimeNs now = time();
  for (const EndpointId endpoint : endpoints_of(a)) {
    Connection& connection = *find(endpoint);
    if (connection.ends[side_of(other_end(endpoint))].node == b) kill(&connection, endpoint, now);
  }
}

void Fabric::cut(int from, int to, bool on) {
  const std::lock_guard lock(mutex_);
  cuts_[index(from) * nodes_.size() + index(to)] = on ? 1 : 0;
}

void Fabric::restore() {
  const std::lock_guard lock(mutex_);
  std::fill(cuts_.begin(), cuts_.end(), 0);
  for (Node& node : nodes_) node.down = false;
}

void Fabric::set_clock(std::function<TimeNs()> clock) {
  const std::lock_guard lock(mutex_);
  clock_ = std::move(clock);
}

void Fabric::set_faults(const Faults& faults) {
  const std::lock_guard lock(mutex_);
  faults_ = faults;
}

void Fabric::set_link(int from_site, int to_site, const LinkParameters& parameters) {
  const std::lock_guard lock(mutex_);
  LH_CHECK(from_site >= 0 && from_site < sites_ && to_site >= 0 && to_site < sites_);
  links_[index(from_site * sites_ + to_site)] = LinkModel(parameters);
}

LinkModel Fabric::link(int from_site, int to_site) const {
  const std::lock_guard lock(mutex_);
  return links_[index(from_site * sites_ + to_site)];
}

SimCounters Fabric::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

}  // namespace longhaul::transport
