// SPDX-License-Identifier: Apache-2.0
// The end that answers: at the site's address whatever may be asked of a doctor (conversation.h), to those who prove the secret; at its data
// ports nothing but that they are there.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "doctor/conversation.h"
#include "doctor/measured.h"

namespace longhaul::doctor {

struct Listeners {
  Fd address;
  std::vector<Fd> data;
  std::vector<int> ports;  ///< of `data`
  std::vector<int> taken;  ///< of the range, by other programs
};

/// Where the ranks of this site would listen: at the site's address and at the ports of the range (any free ones where there is no range).
Result<Listeners> listen(const config::Config& config);
/// At one place only.
Result<Listeners> listen(const config::HostPort& at);

class Server {
 public:
  struct Answers {
    std::function<Facts(const Fd&)> facts;
    std::function<void(const Request&, Fd)> control;  ///< may be empty
    std::function<void(const std::string&)> tell;     ///< who came, who was refused
  };

  /// Answers from here on, each connection on a thread of its own, 64 at most.
  Server(Self self, Listeners listeners, Answers answers);
  /// Ends all connections.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

 private:
  struct Caller {
    Fd socket;
    std::string host;
    std::thread thread;
    std::atomic<bool> done{false};
  };
  void run();
  void accept_caller();
  void serve(Caller* caller);
  void refuse(const std::string& host, const Status& why);
  void greet(const std::string& host);

  Self self_;
  Listeners listeners_;
  Answers answers_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // of what follows
  std::list<Caller> callers_;
  std::set<std::string> greeted_, refused_;
  std::thread thread_;  // last: it uses the others
};

}  // namespace longhaul::doctor
