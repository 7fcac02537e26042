// SPDX-License-Identifier: Apache-2.0
// Asks the kernel, with a plain TCP connect, whether anybody listens at an address. UCX reports a refused connection
// and one that was never answered alike; only the kernel's ECONNREFUSED tells that the machine is alive and the process
// is not.
#pragma once

#include <netinet/in.h>

#include "base/clock.h"
#include "base/fd.h"

namespace longhaul::transport {

class Probe {
 public:
  enum class Verdict { Running, Refused, Answered, Unknown };

  Probe(const sockaddr_in& address, TimeNs now);

  Verdict check(TimeNs now);
  int wait_fd() const { return fd_.get(); }  ///< writable (or in error) once the verdict is there
  TimeNs deadline() const { return deadline_; }

 private:
  Fd fd_;
  TimeNs deadline_;
  Verdict verdict_ = Verdict::Running;
};

}  // namespace longhaul::transport
