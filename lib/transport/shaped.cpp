// SPDX-License-Identifier: Apache-2.0
// Waiting frames live in reused slots; a binary heap of small entries orders their releases.
#include "transport/shaped.h"

#include <algorithm>

#include "base/check.h"

namespace longhaul::transport {
namespace {

constexpr std::size_t kInitialSlots = 256;
constexpr int kReleasesPerPoll = 256;

}  // namespace

/// Forwards what the inner transport reports and keeps the routes in step with its endpoints.
class ShapedTransport::Relay final : public Events {
 public:
  Relay(ShapedTransport& shaped, Events& owner) : shaped_(shaped), owner_(owner) {}

  void on_accept(EndpointId endpoint) override {
    shaped_.add_route(endpoint);
    owner_.on_accept(endpoint);
  }
  void on_receive(EndpointId endpoint, ConstBytes header, Inbound payload) override {
    owner_.on_receive(endpoint, header, std::move(payload));
  }
  void on_sent(EndpointId endpoint, std::uint64_t cookie) override { owner_.on_sent(endpoint, cookie); }
  void on_close(EndpointId endpoint, CloseReason reason, const std::string& text) override {
    shaped_.forget(endpoint);
    owner_.on_close(endpoint, reason, text);
  }

 private:
  ShapedTransport& shaped_;
  Events& owner_;
};

ShapedTransport::ShapedTransport(std::unique_ptr<Transport> inner, const std::vector<LinkParameters>& links,
                                 int default_link)
    : inner_(std::move(inner)), default_link_(default_link) {
  LH_CHECK(default_link >= kPassThrough && default_link < static_cast<int>(links.size()));
  for (const LinkParameters& parameters : links) links_.emplace_back(parameters);
  slots_.reserve(kInitialSlots);
  free_slots_.reserve(kInitialSlots);
  queue_.reserve(kInitialSlots);
}

bool ShapedTransport::later(const Entry& a, const Entry& b) {
  return a.release != b.release ? a.release > b.release : a.order > b.order;
}

void ShapedTransport::add_route(EndpointId endpoint) { routes_[endpoint].link = default_link_; }

void ShapedTransport::assign(EndpointId endpoint, int link) {
  LH_CHECK(link >= kPassThrough && link < static_cast<int>(links_.size()));
  const auto found = routes_.find(endpoint);
  if (found != routes_.end()) found->second.link = link;
}

EndpointId ShapedTransport::connect(const Address& address) {
  const EndpointId endpoint = inner_->connect(address);
  add_route(endpoint);
  return endpoint;
}

void ShapedTransport::post(EndpointId endpoint, ConstBytes header, ConstBytes payload, std::uint64_t cookie) {
  const auto found = routes_.find(endpoint);
  if (found == routes_.end()) return inner_->post(endpoint, header, payload, cookie);
  Route& route = found->second;
  if (route.link == kPassThrough && route.waiting == 0) return inner_->post(endpoint, header, payload, cookie);
  if (clock_) now_ = std::max(now_, clock_());
  TimeNs release = route.stream.last_arrival;  // a pass-through frame behind delayed ones
  if (route.link != kPassThrough) {
    LinkModel& link = links_[static_cast<std::size_t>(route.link)];
    release = link.departure_then_arrival(now_, header.size() + payload.size(), route.stream).arrival;
  }
  ++route.waiting;
  enqueue(release, endpoint, header, payload, cookie);
}

void ShapedTransport::enqueue(TimeNs release, EndpointId endpoint, ConstBytes header, ConstBytes payload,
                              std::uint64_t cookie) {
  LH_CHECK(header.size() <= kMaxHeaderBytes);
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
  }
  const std::size_t slot = free_slots_.back();
  free_slots_.pop_back();
  Frame& frame = slots_[slot];
  frame.endpoint = endpoint;
  frame.payload = payload;
  frame.cookie = cookie;
  frame.header_bytes = header.size();
  std::copy(header.begin(), header.end(), frame.header.begin());
  queue_.push_back({release, posted_++, slot});
  std::push_heap(queue_.begin(), queue_.end(), later);
}

bool ShapedTransport::release_due(TimeNs now) {
  int released = 0;
  for (; released < kReleasesPerPoll && !queue_.empty() && queue_.front().release <= now; ++released) {
    std::pop_heap(queue_.begin(), queue_.end(), later);
    const std::size_t slot = queue_.back().slot;
    queue_.pop_back();
    const Frame& frame = slots_[slot];
    --routes_.at(frame.endpoint).waiting;  // forget() takes the frames along with the route
    inner_->post(frame.endpoint, ConstBytes(frame.header).first(frame.header_bytes), frame.payload, frame.cookie);
    free_slots_.push_back(slot);
  }
  return released > 0;
}

void ShapedTransport::close(EndpointId endpoint) {
  forget(endpoint);
  inner_->close(endpoint);
}

void ShapedTransport::forget(EndpointId endpoint) {
  const auto found = routes_.find(endpoint);
  if (found == routes_.end()) return;
  const bool waits = found->second.waiting > 0;
  routes_.erase(found);
  if (!waits) return;
  std::sort(queue_.begin(), queue_.end(), [](const Entry& a, const Entry& b) { return later(b, a); });
  std::erase_if(queue_, [&](const Entry& entry) {
    const Frame& frame = slots_[entry.slot];
    if (frame.endpoint != endpoint) return false;
    if (frame.cookie != 0) given_back_.push_back({endpoint, frame.cookie});
    free_slots_.push_back(entry.slot);
    return true;
  });  // what is sorted, earliest first, is a heap
}

bool ShapedTransport::report_given_back(Events& events) {
  if (given_back_.empty()) return false;
  reporting_.swap(given_back_);
  for (const GivenBack& one : reporting_) events.on_sent(one.endpoint, one.cookie);
  reporting_.clear();
  return true;
}

bool ShapedTransport::poll(Events& events, TimeNs now) {
  now_ = std::max(now_, now);
  bool moved = release_due(now);
  Relay relay(*this, events);
  moved = inner_->poll(relay, now) || moved;
  return report_given_back(events) || moved;
}

TimeNs ShapedTransport::next_event() const {
  if (!given_back_.empty()) return now_;
  const TimeNs inner = inner_->next_event();
  return queue_.empty() ? inner : std::min(inner, queue_.front().release);
}

std::size_t ShapedTransport::memory_bytes() const {
  return inner_->memory_bytes() + slots_.capacity() * sizeof(Frame) + queue_.capacity() * sizeof(Entry);
}

}  // namespace longhaul::transport
