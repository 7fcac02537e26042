// SPDX-License-Identifier: Apache-2.0
// Turns a host into an IPv4 address without blocking: numbers at once, names in a thread of their own that wakes its
// owner through a descriptor and may outlive it (the resolver can take half a minute and cannot be stopped).
#pragma once

#include <netinet/in.h>

#include <memory>
#include <optional>
#include <string>

#include "base/status.h"

namespace longhaul::transport {

class Lookup {
 public:
  explicit Lookup(const std::string& host);

  /// Empty while it runs.
  std::optional<Result<in_addr>> result() const;
  /// Readable once the result is there; -1 where it was there from the start.
  int wait_fd() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace longhaul::transport
