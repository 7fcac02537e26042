// SPDX-License-Identifier: Apache-2.0
// How this program gives up: a Failure carries the text for stderr and the exit status. Thrown anywhere below a rank's
// main function, caught once per rank in setup_*.cpp, where the other ranks are told.
#pragma once

#include <longhaul/longhaul.h>

#include <stdexcept>
#include <string>

namespace longhaul::perf {

constexpr int kExitWrongValues = 1;
constexpr int kExitUsage = 2;
constexpr int kExitLibrary = 3;
constexpr int kExitNoReport = 4;

class Failure : public std::runtime_error {
 public:
  explicit Failure(const std::string& text, int exit_status = kExitLibrary)
      : std::runtime_error(text), exit_status_(exit_status) {}
  int exit_status() const { return exit_status_; }

 private:
  int exit_status_;
};

/// Throws unless `result` is lhSuccess. `comm` may be null (failed initialisation): the text is then the thread's last
/// one.
inline void require(lhResult_t result, lhComm_t comm, const char* call) {
  if (result == lhSuccess) return;
  const std::string detail = lhGetLastError(comm);
  throw Failure(std::string(call) + ": " + lhGetErrorString(result) + (detail.empty() ? "" : ": " + detail));
}

}  // namespace longhaul::perf
