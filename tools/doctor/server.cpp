// SPDX-License-Identifier: Apache-2.0
#include "doctor/server.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>

#include "bootstrap/socket.h"
#include "doctor/echo.h"
#include "doctor/flow.h"

namespace longhaul::doctor {
namespace {

constexpr std::size_t kMostCallers = 64;
constexpr std::size_t kMostNames = 32;  // remembered hosts
constexpr int kLookUp = 200;            // ms

/// That the connection was made is all that the other end wants to know. A reset leaves no TIME_WAIT, which would keep the port from the job.
void drop(const std::optional<bootstrap::Accepted>& accepted) {
  const linger reset{1, 0};
  if (accepted) ::setsockopt(accepted->socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

}  // namespace

Server::Server(Self self, Listeners listeners, Answers answers)
    : self_(std::move(self)), listeners_(std::move(listeners)), answers_(std::move(answers)), thread_([this] { run(); }) {}

Server::~Server() {
  stopping_ = true;
  thread_.join();
  {
    const std::lock_guard lock(mutex_);
    for (Caller& caller : callers_)
      if (caller.socket.valid()) ::shutdown(caller.socket.get(), SHUT_RDWR);
  }
  for (Caller& caller : callers_) caller.thread.join();
}

void Server::run() {
  std::vector<pollfd> fds{{listeners_.address.get(), POLLIN, 0}};
  for (const Fd& data : listeners_.data) fds.push_back({data.get(), POLLIN, 0});
  while (!stopping_) {
    if (::poll(fds.data(), fds.size(), kLookUp) <= 0) continue;
    if (fds.front().revents != 0) accept_caller();
    int ignored = 0;
    for (std::size_t i = 1; i < fds.size(); ++i)
      if (fds[i].revents != 0) drop(bootstrap::accept_one(listeners_.data[i - 1], &ignored));
  }
}

void Server::accept_caller() {
  int problem = 0;
  auto accepted = bootstrap::accept_one(listeners_.address, &problem);
  if (problem != 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));  // out of descriptors: some will be freed
  if (!accepted) return;
  std::list<Caller> over;
  {
    const std::lock_guard lock(mutex_);
    for (auto it = callers_.begin(); it != callers_.end();) {
      const auto next = std::next(it);
      if (it->done) over.splice(over.end(), callers_, it);
      it = next;
    }
    if (callers_.size() < kMostCallers) {
      Caller& caller = callers_.emplace_back();
      caller.host = accepted->from.substr(0, accepted->from.rfind(':'));
      caller.socket = std::move(accepted->socket);
      caller.thread = std::thread([this, &caller] {
        serve(&caller);
        const std::lock_guard over_lock(mutex_);
        caller.socket = Fd();  // now: the other end waits for it
        caller.done = true;
      });
    }
  }
  for (Caller& caller : over) caller.thread.join();
}

void Server::serve(Caller* caller) {
  const int flags = ::fcntl(caller->socket.get(), F_GETFL);
  ::fcntl(caller->socket.get(), F_SETFL, flags & ~O_NONBLOCK);
  auto request = hear(self_, caller->socket);
  if (!request.ok()) return refuse(caller->host, request.status());
  if (!answers_.control) greet(caller->host);  // else it is said what is measured
  switch (request->what) {
    case Ask::Echo:
      return answer_echo(caller->socket);
    case Ask::Take:
      return take(caller->socket);
    case Ask::Give:
      return give(caller->socket, *request);
    case Ask::Facts:
      (void)send_message(caller->socket, answers_.facts(caller->socket));
      return;
    case Ask::Control: {
      Fd socket;
      {
        const std::lock_guard lock(mutex_);
        socket = std::move(caller->socket);
      }
      if (answers_.control) answers_.control(*request, std::move(socket));
      return;
    }
  }
}

/// Strangers and port scans are not worth a line, a doctor with another secret is.
void Server::refuse(const std::string& host, const Status& why) {
  const bool worth = why.code() == lhAuthFailed || why.code() == lhUnsupported || why.code() == lhInvalidArgument;
  const std::lock_guard lock(mutex_);
  if (worth && refused_.size() < kMostNames && refused_.insert(host).second) answers_.tell(fmt::format("{} may not measure: {}", host, why.text()));
}

void Server::greet(const std::string& host) {
  const std::lock_guard lock(mutex_);
  if (greeted_.size() < kMostNames && greeted_.insert(host).second) answers_.tell(fmt::format("{} measures", host));
}

}  // namespace longhaul::doctor
