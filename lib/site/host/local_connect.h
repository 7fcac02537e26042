// SPDX-License-Identifier: Apache-2.0
// How the ranks of one machine join by shared memory. Every rank listens on an abstract Unix socket with a random name,
// which its card carries to the others; of two ranks the lower one dials, brings the memory, and waits for the answer:
//
//   lower rank                                        higher rank
//   connect(name), check the listener's uid
//   hello {token, rank, sizes} + sealed memfd ------> check uid, token, rank, sizes, seals; map
//   channel                      <------ 'A' -------- channel
//
// Abstract names belong to a network namespace: ranks of two containers cannot reach each other this way and take
// another.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/status.h"
#include "site/channel.h"
#include "site/host/local_hello.h"

namespace longhaul::site {

class LocalListener {
 public:
  /// Listens at once, so that whoever learns the name can dial.
  static Result<LocalListener> open();

  const std::string& name() const { return name_; }
  int fd() const { return socket_.get(); }
  /// Callers that were turned away: other users, other jobs, nonsense.
  std::uint64_t dropped() const { return dropped_; }
  void count_dropped() { ++dropped_; }
  /// Callers still in the queue are refused.
  void close() { socket_ = Fd(); }

 private:
  LocalListener(Fd socket, std::string name) : socket_(std::move(socket)), name_(std::move(name)) {}

  Fd socket_;
  std::string name_;
  std::uint64_t dropped_ = 0;
};

struct LocalPeers {
  int rank = 0;
  std::vector<std::string> sockets;  ///< by siteRank; empty: not on this machine (the own entry does not count)
  JobToken token{};
  std::size_t max_payload = 0;
  TimeNs deadline = 0;         ///< give up on ranks that were dialled and do not answer
  TimeNs accept_deadline = 0;  ///< stop waiting for ranks that may not be able to reach this one
};

/// Joins all ranks that have a socket name; closes the listener at its end. A null entry: could not be joined by shared
/// memory as far as this rank knows, so use another way. The other side may think otherwise (it gave up just before, or
/// after): compare notes and drop channels that only one side has. Blocks until the deadlines at most; an error is only
/// lhAborted (`cancelled` became true) or lhSystemError.
Result<std::vector<std::unique_ptr<Channel>>> connect_peers(LocalListener& listener, const LocalPeers& peers,
                                                            const std::atomic<bool>& cancelled);

}  // namespace longhaul::site
