// SPDX-License-Identifier: Apache-2.0
// What a node's poll takes: items of its heap that are due, turned into events, and how it sleeps until then.
#include <fmt/format.h>

#include <algorithm>

#include "transport/sim/fabric.h"

namespace longhaul::transport {
namespace {

std::string close_text(CloseReason reason, int peer) {
  switch (reason) {
    case CloseReason::Refused:
      return fmt::format("node {} refused the connection: it is down or does not listen", peer);
    case CloseReason::Reset:
      return fmt::format("node {} ended the connection", peer);
    case CloseReason::Failed:
      break;
  }
  return fmt::format("no way to node {}: it does not exist, or this node is down", peer);
}

}  // namespace

bool Fabric::begin_poll(int number, TimeNs now) {
  const std::lock_guard lock(mutex_);
  Node& node = nodes_[index(number)];
  node.now = std::max(node.now, now);
  latest_ = std::max(latest_, node.now);
  node.sleeping = false;
  return std::exchange(node.signalled, false);
}

bool Fabric::take(int number, Event* event) {
  const std::lock_guard lock(mutex_);
  Node& node = nodes_[index(number)];
  while (!node.heap.empty() && node.heap.front().due <= node.now) {
    std::pop_heap(node.heap.begin(), node.heap.end(), later);
    Item item = std::move(node.heap.back());
    node.heap.pop_back();
    if (happen(&node, number, std::move(item), event)) return true;
  }
  node.changed = false;
  return false;
}

/// True where the item is something to report.
bool Fabric::happen(Node* node, int number, Item item, Event* event) {
  event->endpoint = item.endpoint;
  if (item.kind == ItemKind::Sent) {
    event->kind = Event::Kind::Sent;
    event->cookie = item.cookie;
    return true;
  }
  if (!item.local && is_cut(item.from, number)) {
    ++counters_.cut;
    node->pool->give_back(std::move(item.buffer));
    return false;
  }
  switch (item.kind) {
    case ItemKind::Connect:
      return happen_connect(node, item, event);
    case ItemKind::Frame:
      return happen_frame(node, std::move(item), event);
    default:
      return happen_close(item, event);
  }
}

bool Fabric::happen_connect(Node* node, const Item& item, Event* event) {
  Connection* connection = find(item.endpoint);
  if (!connection || connection->dead) return false;
  End& end = connection->ends[side_of(item.endpoint)];
  if (end.state != EndState::Waiting) return false;
  if (!node->listening) {
    ++counters_.refused;
    end.state = EndState::Closed;
    signal(connection, item.endpoint, ItemKind::Close, CloseReason::Refused, node->now);
    forget_if_over(item.endpoint);
    return false;
  }
  end.state = EndState::Open;
  event->kind = Event::Kind::Accept;
  return true;
}

bool Fabric::happen_frame(Node* node, Item item, Event* event) {
  Connection* connection = find(item.endpoint);
  if (!connection || connection->dead || connection->ends[side_of(item.endpoint)].state != EndState::Open) {
    ++counters_.orphaned;
    node->pool->give_back(std::move(item.buffer));
    const bool answer = connection && connection->ends[side_of(other_end(item.endpoint))].state == EndState::Open;
    if (answer) signal(connection, item.endpoint, ItemKind::Close, CloseReason::Reset, node->now);
    return false;
  }
  ++counters_.delivered;
  event->kind = Event::Kind::Frame;
  event->header_bytes = item.header_bytes;
  event->payload_bytes = item.payload_bytes;
  event->buffer = std::move(item.buffer);
  return true;
}

bool Fabric::happen_close(const Item& item, Event* event) {
  Connection* connection = find(item.endpoint);
  if (!connection) return false;
  End& end = connection->ends[side_of(item.endpoint)];
  const bool report = end.state == EndState::Open;
  end.state = EndState::Closed;
  forget_if_over(item.endpoint);
  if (!report) return false;
  event->kind = Event::Kind::Close;
  event->reason = item.reason;
  event->text = close_text(item.reason, item.from);
  return true;
}

TimeNs Fabric::next_event(int number) const {
  const std::lock_guard lock(mutex_);
  const Node& node = nodes_[index(number)];
  return node.heap.empty() ? kNever : node.heap.front().due;
}

bool Fabric::arm(int number) {
  const std::lock_guard lock(mutex_);
  Node& node = nodes_[index(number)];
  if (node.wake_fd < 0 || node.changed || (!node.heap.empty() && node.heap.front().due <= node.now)) return false;
  node.sleeping = true;
  return true;
}

}  // namespace longhaul::transport
