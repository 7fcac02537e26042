// SPDX-License-Identifier: Apache-2.0
#include "transport/ucx/ucx_transport.h"

#include <algorithm>
#include <utility>

#include "transport/ucx/address.h"
#include "transport/ucx/ucx_transport_impl.h"

namespace longhaul::transport {
namespace {

constexpr int kMaxProgress = 64;             // UCX rounds of one poll
constexpr std::size_t kMaxBatch = 512;       // events after which a poll reports
constexpr std::size_t kMaxEndpoints = 4096;  // strangers beyond it are turned away
constexpr TimeNs kDrainTime = 2 * kSecond;

}  // namespace

Result<std::unique_ptr<Transport>> make_ucx_transport(const UcxOptions& options) {
  Status status = check_options(options);
  if (!status.ok()) return status;
  auto made = std::make_unique<UcxTransport>(options);
  status = made->start();
  if (!status.ok()) return status;
  return std::unique_ptr<Transport>(std::move(made));
}

UcxTransport::UcxTransport(const UcxOptions& options) : options_(options), sockets_(options.congestion) {}

Status UcxTransport::start() {
  Result<ReservedPort> reserved = reserve_port(options_);
  if (!reserved.ok()) return reserved.take_status();
  reserved_ = std::move(*reserved);
  Status room = check_data_port(options_);
  if (!room.ok()) return room;
  Result<std::unique_ptr<Worker>> worker = Worker::create(options_, *this);
  if (!worker.ok()) return worker.take_status();
  worker_ = std::move(*worker);
  sockets_.add_own_ports(worker_->data_ports());
  return {};
}

UcxTransport::~UcxTransport() {
  check_thread();
  if (worker_) drain();
  pending_.clear();
  reporting_.clear();
  LH_CHECK(held_.in_use() == 0);  // an Inbound must die before its transport
}

void UcxTransport::check_thread() const { LH_CHECK(std::this_thread::get_id() == owner_); }

/// Ends every connection and waits, for a bounded time, until UCX has let go of the posts' memory.
void UcxTransport::drain() {
  for (const ucp_conn_request_h request : requests_) worker_->reject(request);
  requests_.clear();
  worker_->stop_listening();
  for (const EndpointId id : endpoints_.ids()) close(id);
  const TimeNs deadline = steady_now() + kDrainTime;
  while ((worker_->closes_under_way() != 0 || records_.in_use() != 0) && steady_now() < deadline) {
    if (!worker_->progress()) std::this_thread::yield();
  }
}

Result<Address> UcxTransport::listen() {
  check_thread();
  LH_CHECK(!std::exchange(listening_, true));
  reserved_.socket = Fd();
  Result<std::uint16_t> port = worker_->listen(options_, reserved_.port);
  if (!port.ok()) return port.take_status();
  return Address{advertised_host(options_), *port, worker_->data_ports()};
}

EndpointId UcxTransport::connect(const Address& address) {
  check_thread();
  Endpoint& endpoint = endpoints_.add();
  endpoint.remote = address;
  if (endpoint.remote.host.empty()) endpoint.remote.host = "(no host)";
  endpoint.state = Endpoint::State::Resolving;
  endpoint.lookup.emplace(address.host);
  if (!advance(endpoint)) unsettled_.push_back(endpoint.id);
  return endpoint.id;
}

void UcxTransport::dial(Endpoint& endpoint) {
  Result<ucp_ep_h> handle = worker_->connect(endpoint.address);
  if (!handle.ok()) {
    start_probe(endpoint, handle.status().text());
    return;
  }
  endpoints_.open(endpoint, *handle);
  for (SendRecord* record : std::exchange(endpoint.waiting, {})) worker_->send(endpoint.handle, record);
}

void UcxTransport::post(EndpointId id, ConstBytes header, ConstBytes payload, std::uint64_t cookie) {
  check_thread();
  LH_CHECK(header.size() <= kMaxHeaderBytes);
  LH_CHECK(cookie != 0 || payload.empty());
  Endpoint* endpoint = endpoints_.find(id);
  const bool alive =
      endpoint != nullptr && (endpoint->handle != nullptr || endpoint->state == Endpoint::State::Resolving);
  if (!alive) {
    if (cookie != 0) pending_.sent(id, cookie);
    return;
  }
  SendRecord* record = records_.take();
  record->endpoint = id;
  record->cookie = cookie;
  record->payload = payload;
  record->header_size = header.size();
  std::copy(header.begin(), header.end(), record->header.begin());
  if (endpoint->handle != nullptr) {
    worker_->send(endpoint->handle, record);
  } else {
    endpoint->waiting.push_back(record);
  }
}

void UcxTransport::close(EndpointId id) {
  check_thread();
  Endpoint* endpoint = endpoints_.find(id);
  if (endpoint == nullptr) return;
  drop_handle(*endpoint);
  endpoints_.erase(id);
}

/// Gives back what waits for the endpoint, and lets UCX close it.
void UcxTransport::drop_handle(Endpoint& endpoint) {
  for (SendRecord* record : std::exchange(endpoint.waiting, {})) on_sent(record);
  if (ucp_ep_h handle = endpoints_.detach(endpoint)) worker_->force_close(handle);
}

bool UcxTransport::on_frame(ucp_ep_h from, ConstBytes header, ConstBytes payload) {
  Endpoint* endpoint = endpoints_.find(from);
  if (endpoint == nullptr) return false;  // closed meanwhile
  if (!std::exchange(endpoint->spoke, true)) untuned_ = true;
  if (payload.empty()) {
    pending_.received(endpoint->id, header, {});
    return false;
  }
  Held* held = held_.take();
  held->data = const_cast<std::byte*>(payload.data());
  held->size = payload.size();
  held_bytes_ += held->size;
  pending_.received(endpoint->id, header, Inbound(payload, &UcxTransport::give_back, this, held));
  return true;
}

void UcxTransport::give_back(void* self, void* token) {
  auto* transport = static_cast<UcxTransport*>(self);
  auto* held = static_cast<Held*>(token);
  transport->check_thread();
  transport->worker_->release(held->data);
  transport->held_bytes_ -= held->size;
  transport->held_.give(held);
}

void UcxTransport::on_failure(ucp_ep_h handle, ucs_status_t status) {
  if (const Endpoint* endpoint = endpoints_.find(handle)) failures_.push_back({endpoint->id, status});
}

void UcxTransport::on_sent(SendRecord* record) {
  if (record->cookie != 0) pending_.sent(record->endpoint, record->cookie);
  records_.give(record);
}

bool UcxTransport::poll(Events& events, TimeNs now) {
  check_thread();
  LH_CHECK(!reporting_now_);  // not from inside an event
  now_ = now;
  bool moved = false;
  for (int i = 0; i < kMaxProgress && pending_.size() < kMaxBatch; ++i) {
    if (!worker_->progress()) break;
    moved = true;
  }
  accept_requests();
  handle_failures();
  advance_unsettled();
  if (std::exchange(untuned_, false)) sockets_.tune();
  return report(events) || moved;
}

void UcxTransport::accept_requests() {
  for (const ucp_conn_request_h request : std::exchange(requests_, {})) {
    if (endpoints_.size() >= kMaxEndpoints) {
      worker_->reject(request);
      continue;
    }
    const Result<ucp_ep_h> handle = worker_->accept(request);  // a failure here is the stranger's
    if (!handle.ok()) continue;
    Endpoint& endpoint = endpoints_.add();
    endpoints_.open(endpoint, *handle);
    pending_.accepted(endpoint.id);
  }
}

void UcxTransport::handle_failures() {
  for (const Failure& failure : std::exchange(failures_, {})) {
    Endpoint* endpoint = endpoints_.find(failure.endpoint);
    if (endpoint == nullptr || endpoint->state != Endpoint::State::Open) continue;
    drop_handle(*endpoint);
    if (endpoint->accepted()) {
      fail(*endpoint, CloseReason::Reset,
           fmt::format("the accepted connection ended: {}", ucs_status_string(failure.status)));
    } else if (endpoint->spoke) {
      fail(*endpoint, CloseReason::Reset,
           fmt::format("the connection to {}:{} ended: {}", endpoint->remote.host, endpoint->remote.port,
                       ucs_status_string(failure.status)));
    } else {
      start_probe(*endpoint, ucs_status_string(failure.status));
    }
  }
}

void UcxTransport::start_probe(Endpoint& endpoint, std::string trouble) {
  for (SendRecord* record : std::exchange(endpoint.waiting, {})) on_sent(record);
  endpoint.state = Endpoint::State::Probing;
  endpoint.trouble = std::move(trouble);
  endpoint.probe.emplace(endpoint.address, now_);
  unsettled_.push_back(endpoint.id);
}

void UcxTransport::fail(Endpoint& endpoint, CloseReason reason, std::string text) {
  for (SendRecord* record : std::exchange(endpoint.waiting, {})) on_sent(record);
  endpoint.state = Endpoint::State::Failed;
  pending_.closed(endpoint.id, reason, std::move(text));
}

void UcxTransport::advance_unsettled() {
  for (const EndpointId id : std::exchange(unsettled_, {})) {
    Endpoint* endpoint = endpoints_.find(id);
    if (endpoint != nullptr && !advance(*endpoint)) unsettled_.push_back(id);
  }
}

/// One step of a lookup or a probe; true: nothing more to wait for here.
bool UcxTransport::advance(Endpoint& endpoint) {
  const Address& remote = endpoint.remote;
  if (endpoint.state == Endpoint::State::Resolving) {
    const std::optional<Result<in_addr>> found = endpoint.lookup->result();
    if (!found) return false;
    endpoint.lookup.reset();
    if (found->ok()) {
      endpoint.address = make_sockaddr(found->value(), remote.port);
      dial(endpoint);
    } else {
      fail(endpoint, CloseReason::Failed, found->status().text());
    }
    return true;
  }
  if (endpoint.state != Endpoint::State::Probing) return true;
  const Probe::Verdict verdict = endpoint.probe->check(now_);
  if (verdict == Probe::Verdict::Running) return false;
  endpoint.probe.reset();
  const bool refused = verdict == Probe::Verdict::Refused;
  fail(endpoint, refused ? CloseReason::Refused : CloseReason::Failed,
       refused ? fmt::format("nobody listens at {}:{}: is the process there running?", remote.host, remote.port)
               : fmt::format("connecting to {}:{} failed: {}", remote.host, remote.port, endpoint.trouble));
  return true;
}

bool UcxTransport::report(Events& events) {
  if (pending_.empty()) return false;
  std::swap(pending_, reporting_);
  reporting_now_ = true;
  for (Event& event : reporting_.events()) report_one(events, event);
  reporting_now_ = false;
  reporting_.clear();
  return true;
}

/// Nothing but on_sent is reported for an endpoint the owner has closed.
void UcxTransport::report_one(Events& events, Event& event) {
  if (event.kind == Event::Kind::Sent) {
    events.on_sent(event.endpoint, event.cookie);
    return;
  }
  if (endpoints_.find(event.endpoint) == nullptr) return;
  switch (event.kind) {
    case Event::Kind::Accepted:
      events.on_accept(event.endpoint);
      return;
    case Event::Kind::Received:
      events.on_receive(event.endpoint, reporting_.header_of(event), std::move(event.payload));
      return;
    case Event::Kind::Closed:
      endpoints_.erase(event.endpoint);
      events.on_close(event.endpoint, event.reason, event.text);
      return;
    case Event::Kind::Sent:
      return;
  }
}

TimeNs UcxTransport::next_event() const {
  check_thread();
  if (!pending_.empty()) return now_;
  TimeNs next = kNever;
  for (const EndpointId id : unsettled_) {
    const Endpoint* endpoint = endpoints_.find(id);
    if (endpoint != nullptr && endpoint->probe) next = std::min(next, endpoint->probe->deadline());
  }
  return next;
}

void UcxTransport::append_wait_fds(std::vector<pollfd>& fds) const {
  check_thread();
  fds.push_back({worker_->wait_fd(), POLLIN, 0});
  for (const EndpointId id : unsettled_) {
    const Endpoint* endpoint = endpoints_.find(id);
    if (endpoint == nullptr) continue;
    if (endpoint->lookup) fds.push_back({endpoint->lookup->wait_fd(), POLLIN, 0});
    if (endpoint->probe) fds.push_back({endpoint->probe->wait_fd(), POLLOUT, 0});
  }
}

bool UcxTransport::arm() {
  check_thread();
  return pending_.empty() && requests_.empty() && failures_.empty() && worker_->arm();
}

std::size_t UcxTransport::memory_bytes() const {
  check_thread();
  return held_bytes_ + records_.memory_bytes() + held_.memory_bytes() + pending_.memory_bytes() +
         reporting_.memory_bytes();
}

}  // namespace longhaul::transport
