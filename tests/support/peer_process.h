// SPDX-License-Identifier: Apache-2.0
// Runs one hidden test case of the same test binary as another process (libraries such as UCX do not survive a plain
// fork). The child reports one number, its port, through a pipe; it dies with its parent.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/fd.h"

namespace longhaul::testing {

constexpr const char* kPeerPipeVariable = "LONGHAUL_TEST_PEER_PIPE";

class PeerProcess {
 public:
  /// `test_case` is the exact name of a test case tagged [.peer].
  explicit PeerProcess(const std::string& test_case) {
    int ends[2] = {-1, -1};
    if (::pipe(ends) != 0) return;
    const Fd writer(ends[1]);
    const Fd reader(ends[0]);
    (void)::fcntl(reader.get(), F_SETFD, FD_CLOEXEC);
    const std::string pipe_variable = std::string(kPeerPipeVariable) + "=" + std::to_string(writer.get());
    std::vector<char*> environment{const_cast<char*>(pipe_variable.c_str())};
    for (char** one = environ; *one != nullptr; ++one) environment.push_back(*one);
    environment.push_back(nullptr);
    std::string program = "/proc/self/exe";
    std::string name = test_case;
    std::vector<char*> arguments{program.data(), name.data(), nullptr};
    if (::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, arguments.data(), environment.data()) != 0) pid_ = -1;
    if (pid_ > 0) read_port(reader);
  }
  PeerProcess(const PeerProcess&) = delete;
  PeerProcess& operator=(const PeerProcess&) = delete;
  ~PeerProcess() { kill(); }

  std::uint16_t port() const { return port_; }  ///< 0: the child did not come up

  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    (void)::waitpid(pid_, &status, 0);
    pid_ = -1;
  }

 private:
  void read_port(const Fd& reader) {
    // The writing end is still open here too, so a child that dies is found by waiting, not by end of file.
    (void)::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 10000; ++i) {
      if (::read(reader.get(), &port_, sizeof(port_)) == sizeof(port_)) return;
      int status = 0;
      if (::waitpid(pid_, &status, WNOHANG) == pid_) {
        pid_ = -1;
        return;
      }
      ::usleep(1000);
    }
  }

  pid_t pid_ = -1;
  std::uint16_t port_ = 0;
};

/// In the child: false where this is not a peer process but somebody running every test.
inline bool report_port_to_parent(std::uint16_t port) {
  const char* pipe_text = std::getenv(kPeerPipeVariable);
  if (pipe_text == nullptr) return false;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return ::write(std::atoi(pipe_text), &port, sizeof(port)) == sizeof(port);
}

}  // namespace longhaul::testing
