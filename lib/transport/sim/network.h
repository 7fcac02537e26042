// SPDX-License-Identifier: Apache-2.0
// Network: nodes in one process that reach each other through memory, over modelled WAN links, with damage on request.
// The loopback communicators and the deterministic simulation run on it.
//
// Nodes of one site reach each other at once; each directed pair of sites shares one LinkModel. Everything is
// thread-safe. Driven by one thread with a virtual clock, the same calls with the same seed give the same events.
// Connections: a close or reset arrives in order behind the frames sent before it; frames for a connection that is gone
// are answered by a reset; connects to a node that is down or does not listen are refused.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "transport/sim/options.h"
#include "transport/transport.h"

namespace longhaul::transport {

class Fabric;

class Network {
 public:
  /// site_of_node[i] >= 0 is the site of node i.
  Network(std::vector<int> site_of_node, const SimOptions& options);
  /// Every node a site of its own.
  Network(int nodes, const SimOptions& options);

  /// The transport of a node, whose Address is {"", node}; one at a time a node. It may outlive the Network.
  std::unique_ptr<Transport> make_transport(int node);

  /// Without a clock whatever happens outside of poll happens at the time of the node's last poll. Threaded owners set
  /// steady_now, and poll with times of the same clock. Called from several threads, under a mutex.
  void set_clock(std::function<TimeNs()> clock);
  /// Replaces one directed link; what is on its way keeps its time.
  void set_link(int from_site, int to_site, const LinkParameters& parameters);
  void set_faults(const Faults& faults);

  /// The node's process dies: all its connections are reset, frames in flight are lost, connects are refused.
  void kill_node(int node);
  /// A process can run there again. Its transport, if it still exists, goes on without its connections.
  void restore_node(int node);
  /// Partition between two nodes, both directions: whatever is sent or would arrive meanwhile vanishes without a word.
  void cut(int a, int b, bool on);
  void cut_one_way(int from, int to, bool on);
  /// Ends all cuts and restores all nodes.
  void restore();
  /// Resets all connections between two nodes; frames in flight are lost.
  void reset(int a, int b);

  SimCounters counters() const;
  /// A copy of a link's state (segments, losses, how long it is busy).
  LinkModel link(int from_site, int to_site) const;
  int nodes() const;

 private:
  std::shared_ptr<Fabric> fabric_;
};

}  // namespace longhaul::transport
