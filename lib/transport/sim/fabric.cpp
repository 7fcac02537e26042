// SPDX-License-Identifier: Apache-2.0
// Nodes and connections: how they come and go.
#include "transport/sim/fabric.h"

#include <algorithm>

#include "base/check.h"

namespace longhaul::transport {
namespace {

constexpr std::size_t kInitialItems = 1024;

}  // namespace

Fabric::Fabric(std::vector<int> site_of_node, const SimOptions& options)
    : faults_(options.faults), random_(options.seed), nodes_(site_of_node.size()) {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    LH_CHECK(site_of_node[i] >= 0);
    nodes_[i].site = site_of_node[i];
    nodes_[i].pool = std::make_unique<BufferPool>(options.max_cached_bytes);
    nodes_[i].heap.reserve(kInitialItems);
    sites_ = std::max(sites_, site_of_node[i] + 1);
  }
  Random seeds(~options.seed);
  for (int from = 0; from < sites_; ++from) {
    for (int to = 0; to < sites_; ++to) {
      LinkParameters parameters = from == to ? LinkParameters{} : options.link;
      parameters.seed = seeds.next();
      links_.emplace_back(parameters);
    }
  }
  cuts_.assign(nodes_.size() * nodes_.size(), 0);
}

void Fabric::attach(int node, int wake_fd) {
  const std::lock_guard lock(mutex_);
  Node& mine = nodes_[index(node)];
  LH_CHECK(!mine.attached);  // one transport a node at a time
  mine.attached = true;
  mine.listening = false;
  mine.sleeping = mine.signalled = mine.changed = false;
  mine.wake_fd = wake_fd;
}

void Fabric::detach(int node) {
  const std::lock_guard lock(mutex_);
  Node& mine = nodes_[index(node)];
  mine.attached = false;
  mine.wake_fd = -1;
  const TimeNs now = time_of(mine);
  for (const EndpointId endpoint : endpoints_of(node)) {
    Connection* connection = find(endpoint);
    if (!connection) continue;  // went with the other end of a connection to itself
    End& end = connection->ends[side_of(endpoint)];
    const CloseReason reason = end.state == EndState::Waiting ? CloseReason::Refused : CloseReason::Reset;
    if (end.state != EndState::Closed && !connection->dead) {
      signal(connection, endpoint, ItemKind::Close, reason, now);
    }
    end.state = EndState::Closed;
    forget_if_over(endpoint);
  }
  purge(&mine);
}

void Fabric::listen(int node) {
  const std::lock_guard lock(mutex_);
  nodes_[index(node)].listening = true;
}

EndpointId Fabric::connect(int node, int to) {
  const std::lock_guard lock(mutex_);
  const EndpointId endpoint = ++connected_ * 2;
  const TimeNs now = time_of(nodes_[index(node)]);
  Connection& connection = connections_[connected_];
  connection.ends[0].node = node;
  connection.ends[0].state = EndState::Open;
  if (to < 0 || to >= nodes() || nodes_[index(node)].down) {
    connection.ends[1].state = EndState::Closed;
    close_here(node, to, endpoint, CloseReason::Failed, now);
  } else {
    connection.ends[1].node = to;
    signal(&connection, endpoint, ItemKind::Connect, CloseReason::Reset, now);
  }
  return endpoint;
}

void Fabric::close(int node, EndpointId endpoint) {
  const std::lock_guard lock(mutex_);
  Connection* connection = find_open(node, endpoint);
  if (!connection) return;
  connection->ends[side_of(endpoint)].state = EndState::Closed;
  const bool tell = connection->ends[side_of(other_end(endpoint))].state != EndState::Closed && !connection->dead;
  if (tell) signal(connection, endpoint, ItemKind::Close, CloseReason::Reset, time_of(nodes_[index(node)]));
  forget_if_over(endpoint);
}

Fabric::Connection* Fabric::find(EndpointId endpoint) {
  const auto found = connections_.find(endpoint / 2);
  return found == connections_.end() ? nullptr : &found->second;
}

Fabric::Connection* Fabric::find_open(int node, EndpointId endpoint) {
  Connection* connection = find(endpoint);
  if (!connection) return nullptr;
  const End& end = connection->ends[side_of(endpoint)];
  return end.node == node && end.state == EndState::Open ? connection : nullptr;
}

void Fabric::forget_if_over(EndpointId endpoint) {
  const Connection* connection = find(endpoint);
  if (!connection) return;
  for (const End& end : connection->ends)
    if (end.state != EndState::Closed) return;
  connections_.erase(endpoint / 2);
}

std::vector<EndpointId> Fabric::endpoints_of(int node) const {
  std::vector<EndpointId> found;
  for (const auto& [number, connection] : connections_)
    for (std::size_t side = 0; side < 2; ++side)
      if (connection.ends[side].node == node) found.push_back(number * 2 + side);
  return found;
}

/// A Connect or Close on its way to the other end. It queues behind the frames of its connection and is never damaged.
void Fabric::signal(Connection* connection, EndpointId from, ItemKind kind, CloseReason reason, TimeNs now) {
  End& source = connection->ends[side_of(from)];
  const End& target = connection->ends[side_of(other_end(from))];
  if (target.node < 0) return;
  if (is_cut(source.node, target.node)) {
    ++counters_.cut;
    return;
  }
  const TimeNs arrival = link_between(source.node, target.node).departure_then_arrival(now, 0, source.outgoing).arrival;
  if (nodes_[index(target.node)].present()) {
    Item item;
    item.due = arrival;
    item.kind = kind;
    item.reason = reason;
    item.from = source.node;
    item.endpoint = other_end(from);
    push(target.node, std::move(item));
  } else if (kind == ItemKind::Connect) {  // the machine answers that nobody is there
    ++counters_.refused;
    connection->ends[side_of(other_end(from))].state = EndState::Closed;
    signal(connection, other_end(from), ItemKind::Close, CloseReason::Refused, arrival);
  }
}

void Fabric::close_here(int node, int peer, EndpointId endpoint, CloseReason reason, TimeNs now) {
  Item item;
  item.due = now;
  item.kind = ItemKind::Close;
  item.reason = reason;
  item.local = true;
  item.from = peer;
  item.endpoint = endpoint;
  push(node, std::move(item));
}

/// The connection ends at `at` now and at the other end one way later; frames in flight are lost.
void Fabric::kill(Connection* connection, EndpointId at, TimeNs now) {
  if (connection->dead) return;
  connection->dead = true;
  ++counters_.resets;
  End& end = connection->ends[side_of(at)];
  const End& other = connection->ends[side_of(other_end(at))];
  CloseReason reason = CloseReason::Reset;
  if (end.state == EndState::Open) close_here(end.node, other.node, at, reason, now);
  if (end.state == EndState::Waiting) {
    end.state = EndState::Closed;
    reason = CloseReason::Refused;
  }
  if (other.state != EndState::Closed) signal(connection, at, ItemKind::Close, reason, now);
}

LinkModel& Fabric::link_between(int from, int to) {
  return links_[index(nodes_[index(from)].site * sites_ + nodes_[index(to)].site)];
}

TimeNs Fabric::time() const { return clock_ ? std::max(latest_, clock_()) : latest_; }

TimeNs Fabric::time_of(const Node& node) const { return clock_ ? std::max(node.now, clock_()) : node.now; }

}  // namespace longhaul::transport
