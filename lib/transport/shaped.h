// SPDX-License-Identifier: Apache-2.0
// ShapedTransport: wan.emulate_* over a real transport. Frames to other sites wait here until a LinkModel says that
// they would have arrived, then are posted on the inner transport. One LinkModel a link; its rate is shared by all
// endpoints assigned to it. Waiting frames copy the header and keep the payload's pointer, so nothing is copied twice;
// on_sent comes from the inner transport and therefore at the earliest when the frame is released.
//
// Only what this process sends is delayed: both ends shape their own direction. Connecting itself is not delayed.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "transport/link_model.h"
#include "transport/transport.h"

namespace longhaul::transport {

class ShapedTransport final : public Transport {
 public:
  /// Names no link: frames pass straight through.
  static constexpr int kPassThrough = -1;

  /// `links[i]` describes link i. Endpoints use `default_link` until assign(): the first frames of a connection cross
  /// the WAN too.
  ShapedTransport(std::unique_ptr<Transport> inner, const std::vector<LinkParameters>& links, int default_link = 0);

  /// From now on frames of the endpoint use this link; they never overtake earlier ones. An unknown endpoint is
  /// ignored.
  void assign(EndpointId endpoint, int link);
  /// Without a clock a post happens at the time of the last poll; with one, at clock().
  void set_clock(std::function<TimeNs()> clock) { clock_ = std::move(clock); }
  const LinkModel& link(int index) const { return links_[static_cast<std::size_t>(index)]; }
  /// Frames that wait for their release.
  std::size_t waiting() const { return queue_.size(); }

  Result<Address> listen() override { return inner_->listen(); }
  void add_peer(const Address& address) override { inner_->add_peer(address); }
  EndpointId connect(const Address& address) override;
  void post(EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) override;
  void close(EndpointId endpoint) override;
  bool poll(Events& events, TimeNs now) override;
  TimeNs next_event() const override;
  void append_wait_fds(std::vector<pollfd>& fds) const override { inner_->append_wait_fds(fds); }
  bool arm() override { return given_back_.empty() && inner_->arm(); }
  std::size_t memory_bytes() const override;

 private:
  class Relay;
  struct Route {
    int link = kPassThrough;
    LinkModel::Stream stream;
    std::size_t waiting = 0;
  };
  struct Frame {
    EndpointId endpoint = 0;
    ConstBytes payload;
    std::uint64_t cookie = 0;
    std::size_t header_bytes = 0;
    std::array<std::byte, kMaxHeaderBytes> header;
  };
  struct Entry {
    TimeNs release = 0;
    std::uint64_t order = 0;  // ties leave as they came
    std::size_t slot = 0;
  };
  struct GivenBack {
    EndpointId endpoint = 0;
    std::uint64_t cookie = 0;
  };
  static bool later(const Entry& a, const Entry& b);

  void add_route(EndpointId endpoint);
  void enqueue(TimeNs release, EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie);
  bool release_due(TimeNs now);
  bool report_given_back(Events& events);
  void forget(EndpointId endpoint);

  std::unique_ptr<Transport> inner_;
  std::vector<LinkModel> links_;
  int default_link_;
  std::function<TimeNs()> clock_;
  TimeNs now_ = 0;
  std::uint64_t posted_ = 0;
  std::unordered_map<EndpointId, Route> routes_;
  std::vector<Frame> slots_;
  std::vector<std::size_t> free_slots_;
  std::vector<Entry> queue_;           // heap, earliest release first
  std::vector<GivenBack> given_back_;  // cookies of frames dropped here
  std::vector<GivenBack> reporting_;   // the same while being reported: events may add new ones
};

}  // namespace longhaul::transport
