// SPDX-License-Identifier: Apache-2.0
#include "emulate/commands.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "emulate/control.h"
#include "emulate/site.h"

namespace longhaul::emulate {
namespace {

using nlohmann::json;

int fail(const char* command, const Status& status) {
  std::fprintf(stderr, "longhaul emulate %s: %s\n", command, status.text().c_str());
  return 1;
}

Fd open_namespace(int pid, int fd) {
  return Fd(::open(fmt::format("/proc/{}/fd/{}", pid, fd).c_str(), O_RDONLY | O_CLOEXEC));
}

}  // namespace

int run_set(const std::string& name, const std::string& from, const std::string& to, const std::map<std::string, std::string>& settings) {
  Result<json> answer = ask(name, {{"ask", "set"}, {"from", from}, {"to", to}, {"settings", settings}});
  if (!answer.ok()) return fail("set", answer.status());
  std::printf("changed %d link(s)\n", answer->value("links", 0));
  return 0;
}

int run_down(const std::string& name) {
  Result<json> state = ask(name, {{"ask", "state"}});
  Result<json> answer = ask(name, {{"ask", "down"}});
  if (!state.ok() || !answer.ok()) return fail("down", state.ok() ? answer.status() : state.status());
  const int pid = state->value("pid", 0);
  for (int i = 0; i < 500 && ::kill(pid, 0) == 0; ++i) ::usleep(10000);
  std::printf("emulator '%s' is down\n", name.c_str());
  return 0;
}

int run_exec(const std::string& name, const std::string& site, const std::vector<std::string>& command) {
  Result<json> state = ask(name, {{"ask", "state"}});
  if (!state.ok()) return fail("exec", state.status());
  std::string known;
  for (const json& one : (*state)["sites"]) {
    known += " " + one["name"].get<std::string>();
    if (one["name"] != site) continue;
    const int pid = state->value("pid", 0), user = state->value("user", -1);
    const Fd network = open_namespace(pid, one["network"].get<int>());
    if (!network.valid()) return fail("exec", error(lhSystemError, "opening the site's namespace: {}", std::strerror(errno)));
    const Status entered = enter_site(user < 0 ? Fd() : open_namespace(pid, user), network);
    if (!entered.ok()) return fail("exec", entered);
    std::vector<char*> arguments;
    for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    ::execvp(arguments[0], arguments.data());
    std::fprintf(stderr, "longhaul emulate exec: %s: %s\n", command[0].c_str(), std::strerror(errno));
    return errno == ENOENT ? 127 : 126;
  }
  return fail("exec", error(lhInvalidArgument, "there is no site '{}'; there are{}", site, known));
}

}  // namespace longhaul::emulate
