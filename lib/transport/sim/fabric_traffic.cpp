// SPDX-License-Identifier: Apache-2.0
// The way of a frame from post over a link, with the faults on it, into the heap of the node where it will arrive.
#include <unistd.h>

#include <algorithm>

#include "base/check.h"
#include "transport/sim/fabric.h"

namespace longhaul::transport {
namespace {

void copy_to(std::byte* to, ConstBytes from) { std::copy(from.begin(), from.end(), to); }

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
    std::byte* byte =
        at < item->header_bytes ? item->buffer->header() + at : item->buffer->payload() + (at - item->header_bytes);
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

}  // namespace longhaul::transport
