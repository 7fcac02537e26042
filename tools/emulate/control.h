// SPDX-License-Identifier: Apache-2.0
// How the commands talk to a running emulator: one JSON request and one JSON answer a connection, over a UNIX sequenced-packet
// socket that only the same user may open.
#pragma once

#include <poll.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/status.h"

namespace longhaul::emulate {

/// Where the emulator of this name (letters, digits, - and _) listens.
Result<std::string> socket_path(const std::string& name);

class ControlServer {
 public:
  using Handler = std::function<nlohmann::json(const nlohmann::json& request)>;

  /// Fails where an emulator of that name runs already; takes over the socket file of one that died.
  static Result<ControlServer> listen(const std::string& path);
  ControlServer(ControlServer&&) = default;
  ControlServer& operator=(ControlServer&&) = default;
  ~ControlServer();

  void append_wait_fds(std::vector<pollfd>& fds) const;
  /// Answers what has come. Never blocks.
  void turn(const Handler& handler);

 private:
  ControlServer(Fd socket, std::string path) : socket_(std::move(socket)), path_(std::move(path)) {}
  bool answer(const Fd& client, const Handler& handler) const;

  Fd socket_;
  std::string path_;
  std::vector<Fd> clients_;
};

/// Asks the emulator of this name. The error says how to start one where none runs; an answer {"error": text} is that error.
Result<nlohmann::json> ask(const std::string& name, const nlohmann::json& request);

}  // namespace longhaul::emulate
