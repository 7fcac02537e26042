// SPDX-License-Identifier: Apache-2.0
// Fabric: the state behind a simulated Network and its transports: nodes, connections, links, and per node one heap of
// what will happen there and when. One mutex guards it all; payload is copied outside of it. Events are taken one at a
// time, so that no callback ever runs under the mutex.
//
// An end of a connection:   Waiting --accepted--> Open --closed by its owner, or a Close item taken--> Closed
// (the dialer's end starts Open). A connection is forgotten when both ends are Closed.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "transport/sim/buffer_pool.h"
#include "transport/sim/options.h"
#include "transport/transport.h"

namespace longhaul::transport {

class Fabric {
 public:
  /// What a node's poll has to report.
  struct Event {
    enum class Kind { Accept, Frame, Close, Sent };
    Kind kind = Kind::Sent;
    EndpointId endpoint = 0;
    BufferPtr buffer;  ///< Frame
    std::size_t header_bytes = 0;
    std::size_t payload_bytes = 0;
    CloseReason reason = CloseReason::Reset;  ///< Close
    std::string text;                         ///< Close
    std::uint64_t cookie = 0;                 ///< Sent
  };

  Fabric(std::vector<int> site_of_node, const SimOptions& options);

  // Calls of a node's transport.
  void attach(int node, int wake_fd);
  void detach(int node);
  void listen(int node);
  EndpointId connect(int node, int to);
  void post(int node, EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie);
  void close(int node, EndpointId endpoint);
  /// Begins a poll; true when the wake descriptor was written and has to be drained.
  bool begin_poll(int node, TimeNs now);
  /// The next thing that is due at the time of begin_poll; false: nothing more.
  bool take(int node, Event* event);
  TimeNs next_event(int node) const;
  bool arm(int node);
  BufferPool& pool(int node) { return *nodes_[index(node)].pool; }

  // Calls of the Network; any thread.
  void set_clock(std::function<TimeNs()> clock);
  void set_link(int from_site, int to_site, const LinkParameters& parameters);
  void set_faults(const Faults& faults);
  void kill_node(int node);
  void restore_node(int node);
  void cut(int from, int to, bool on);
  void restore();
  void reset(int a, int b);
  SimCounters counters() const;
  LinkModel link(int from_site, int to_site) const;
  int nodes() const { return static_cast<int>(nodes_.size()); }
  int sites() const { return sites_; }

 private:
  enum class ItemKind : std::uint8_t { Connect, Frame, Close, Sent };
  struct Item {
    TimeNs due = 0;
    std::uint64_t order = 0;  // ties happen in the order they were made
    ItemKind kind = ItemKind::Sent;
    CloseReason reason = CloseReason::Reset;
    bool local = false;       // made at this node: no cut stops it
    int from = 0;             // the node it comes from
    EndpointId endpoint = 0;  // at the node where it happens
    std::uint64_t cookie = 0;
    BufferPtr buffer;
    std::size_t header_bytes = 0;
    std::size_t payload_bytes = 0;
  };
  struct Node {
    int site = 0;
    bool attached = false;
    bool listening = false;
    bool down = false;
    bool sleeping = false;  // armed: whoever adds something earlier writes wake_fd
    bool signalled = false;
    bool changed = false;  // something was added since the last poll
    int wake_fd = -1;
    TimeNs now = 0;
    std::vector<Item> heap;  // earliest first
    std::unique_ptr<BufferPool> pool;
    bool present() const { return attached && !down; }
  };
  enum class EndState : std::uint8_t { Waiting, Open, Closed };
  struct End {
    int node = -1;  // -1: no such node
    EndState state = EndState::Waiting;
    LinkModel::Stream outgoing;
  };
  struct Connection {
    End ends[2];  // the dialer's first
    bool dead = false;
  };
  using Connections = std::map<std::uint64_t, Connection>;  // ordered, so that iteration replays

  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  // Endpoints are numbered in the whole network: connection * 2 + side, side 0 being the dialer's.
  static std::size_t side_of(EndpointId endpoint) { return endpoint & 1; }
  static EndpointId other_end(EndpointId endpoint) { return endpoint ^ 1; }
  static bool later(const Item& a, const Item& b);
  TimeNs time() const;
  TimeNs time_of(const Node& node) const;
  LinkModel& link_between(int from, int to);
  bool is_cut(int from, int to) const { return cuts_[index(from) * nodes_.size() + index(to)] != 0; }
  Connection* find(EndpointId endpoint);
  Connection* find_open(int node, EndpointId endpoint);
  int open_peer(int node, EndpointId endpoint);
  void forget_if_over(EndpointId endpoint);
  std::vector<EndpointId> endpoints_of(int node) const;

  void push(int node, Item item);
  void purge(Node* node);
  void signal(Connection* connection, EndpointId from, ItemKind kind, CloseReason reason, TimeNs now);
  void close_here(int node, int peer, EndpointId endpoint, CloseReason reason, TimeNs now);
  void kill(Connection* connection, EndpointId at, TimeNs now);

  void send(Connection* connection, EndpointId to, Item item, TimeNs now);
  bool survives(Connection* connection, EndpointId to, const Item& item, TimeNs now);
  void damage(Item* item);
  void send_twice(int to, const Item& item);
  bool happen(Node* node, int number, Item item, Event* event);
  bool happen_connect(Node* node, const Item& item, Event* event);
  bool happen_frame(Node* node, Item item, Event* event);
  bool happen_close(const Item& item, Event* event);

  mutable std::mutex mutex_;
  int sites_ = 0;
  Faults faults_;
  Random random_;
  std::function<TimeNs()> clock_;
  TimeNs latest_ = 0;  // of all polls
  std::uint64_t made_ = 0;
  std::uint64_t connected_ = 0;
  std::vector<Node> nodes_;
  std::vector<LinkModel> links_;  // from site * sites + to site
  std::vector<char> cuts_;        // from node * nodes + to node
  Connections connections_;
  SimCounters counters_;
};

}  // namespace longhaul::transport
