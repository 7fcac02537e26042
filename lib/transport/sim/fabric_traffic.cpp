// SPDX-License-Identifier: Apache-2.0
// What happens to frames: their way over a link with the faults on it, and their arrival at a node.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "transport/sim/fabric.h"

namespace longhaul::transport {
namespace {

std::size_t side_of(EndpointId endpoint) { return endpoint & 1; }
EndpointId other_end(EndpointId endpoint) { return endpoint ^ 1; }

void copy_to(std::byte* to, ConstBytes from) { std::copy(from.begin(), from.end(), to); }

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

bool Fabric::later(const Item& a, const Item& b) { return a.due != b.due ? a.due > b.due : a.order > b.order; }

void Fabric::push(int number, Item item) {
  Node& node = nodes_[index(number)];
  const bool earlier = node.heap.empty() || item.due < node.heap.front().due;
  // A node's own sent notices are no news to it: it asks for next_event after posting.
  if (item.kind != ItemKind::Sent) node.changed = true;
  item.order = made_++;
  node.heap.push_back(std::move(item));
  std::push_heap(node.heap.begin(), node.heap.end(), later);
  if (!node.sleeping || !earlier) return;
  node.sleeping = false;
  node.signalled = true;
  const std::uint64_t one = 1;
  LH_CHECK(::write(node.wake_fd, &one, sizeof one) == sizeof one);
}

void Fabric::purge(Node* node) {
  for (Item& item : node->heap) node->pool->give_back(std::move(item.buffer));
  node->heap.clear();
}

int Fabric::open_peer(int node, EndpointId endpoint) {
  const std::lock_guard lock(mutex_);
  Connection* connection = find_open(node, endpoint);
  return connection ? connection->ends[side_of(other_end(endpoint))].node : -1;
}

void Fabric::post(int node, EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) {
  const int peer = open_peer(node, endpoint);
  Item item;
  if (peer >= 0) {  // copied before the mutex is taken: a megabyte takes its time
    item.buffer = pool(peer).take(payload.size());
    copy_to(item.buffer->header(), header);
    copy_to(item.buffer->payload(), payload);
  }
  const std::lock_guard lock(mutex_);
  Item sent;
  sent.from = node;
  sent.endpoint = endpoint;
  sent.cookie = cookie;
  Connection* connection = peer >= 0 ? find_open(node, endpoint) : nullptr;
  if (connection) {
    const TimeNs now = time_of(nodes_[index(node)]);
    LinkModel::Stream& stream = connection->ends[side_of(endpoint)].outgoing;
    const LinkModel::Passage passage =
        link_between(node, peer).departure_then_arrival(now, header.size() + payload.size(), stream);
    sent.due = passage.departure;
    item.due = passage.arrival;
    item.kind = ItemKind::Frame;
    item.from = node;
    item.endpoint = other_end(endpoint);
    item.header_bytes = header.size();
    item.payload_bytes = payload.size();
    ++counters_.posted;
    send(connection, item.endpoint, std::move(item), now);
  } else if (item.buffer) {
    pool(peer).give_back(std::move(item.buffer));
  }
  if (cookie != 0) push(node, std::move(sent));
}

void Fabric::send(Connection* connection, EndpointId to, Item item, TimeNs now) {
  const int target = connection->ends[side_of(to)].node;
  if (!survives(connection, to, item, now)) {
    pool(target).give_back(std::move(item.buffer));
    return;
  }
  damage(&item);
  if (faults_.reorder > 0 && random_.chance(faults_.reorder)) {
    ++counters_.reordered;
    item.due += static_cast<TimeNs>(random_.below(static_cast<std::uint64_t>(faults_.reorder_delay_ns) + 1));
  }
  if (faults_.duplicate > 0 && random_.chance(faults_.duplicate)) send_twice(target, item);
  push(target, std::move(item));
}

bool Fabric::survives(Connection* connection, EndpointId to, const Item& item, TimeNs now) {
  if (faults_.reset > 0 && random_.chance(faults_.reset)) kill(connection, other_end(to), now);
  const int target = connection->ends[side_of(to)].node;
  if (is_cut(item.from, target)) {
    ++counters_.cut;
    return false;
  }
  if (faults_.loss > 0 && random_.chance(faults_.loss)) {
    ++counters_.lost;
    return false;
  }
  if (nodes_[index(target)].present() && !connection->dead) return true;
  ++counters_.orphaned;
  // The machine answers for a process that is gone.
  if (!connection->dead) signal(connection, to, ItemKind::Close, CloseReason::Reset, item.due);
  return false;
}

void Fabric::damage(Item* item) {
  const std::size_t total = item->header_bytes + item->payload_bytes;
  if (total == 0) return;
  if (faults_.corrupt > 0 && random_.chance(faults_.corrupt)) {
    ++counters_.corrupted;
    const std::uint64_t bit = random_.below(total * 8);
    const std::size_t at = bit / 8;
    std::byte* byte = at < item->header_bytes ? item->buffer->header() + at
                                              : item->buffer->payload() + (at - item->header_bytes);
    *byte ^= static_cast<std::byte>(1u << (bit % 8));
  }
  if (faults_.truncate > 0 && random_.chance(faults_.truncate)) {
    ++counters_.truncated;
    std::size_t& size = item->payload_bytes > 0 ? item->payload_bytes : item->header_bytes;
    size = random_.below(size);
  }
}

void Fabric::send_twice(int to, const Item& item) {
  ++counters_.duplicated;
  Item copy;
  copy.due = item.due + static_cast<TimeNs>(random_.below(static_cast<std::uint64_t>(faults_.reorder_delay_ns) + 1));
  copy.kind = item.kind;
  copy.from = item.from;
  copy.endpoint = item.endpoint;
  copy.header_bytes = item.header_bytes;
  copy.payload_bytes = item.payload_bytes;
  copy.buffer = pool(to).take(item.payload_bytes);
  copy_to(copy.buffer->header(), {item.buffer->header(), item.header_bytes});
  copy_to(copy.buffer->payload(), {item.buffer->payload(), item.payload_bytes});
  push(to, std::move(copy));
}

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
  // A close made here is from a peer by name only: no cut stops it, and the peer may not exist.
  const bool from_afar = item.from >= 0 && item.from < nodes();
  if (from_afar && is_cut(item.from, number) && item.kind != ItemKind::Close) {
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
  if (node.changed || (!node.heap.empty() && node.heap.front().due <= node.now)) return false;
  node.sleeping = true;
  return true;
}

}  // namespace longhaul::transport
