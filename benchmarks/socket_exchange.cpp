// SPDX-License-Identifier: Apache-2.0
// The yardstick for the transport: two processes exchange the same number of bytes both ways over plain TCP sockets, as fast
// as they can, again and again. No protocol, no copy beyond the kernel's, no check.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "benchmarks/process.h"

namespace {

using Clock = std::chrono::steady_clock;
using longhaul::perf::cpu_seconds;
constexpr std::size_t kPiece = 512 << 10;

struct Options {
  std::string host;  // empty: listen
  int port = 5201, connections = 8, iterations = 10, warmup = 2;
  std::size_t bytes = 64 << 20;
  std::string congestion = "bbr";
};

void require(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

int make_socket(const Options& options) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  require(::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, options.congestion.data(), static_cast<socklen_t>(options.congestion.size())) == 0,
          "congestion control");
  return fd;
}

std::vector<int> connect_all(const Options& options) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(options.port));
  std::vector<int> all(static_cast<std::size_t>(options.connections));
  if (options.host.empty()) {
    const int listener = make_socket(options);
    require(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(listener, 64) == 0, "listen");
    for (int& one : all) require((one = ::accept(listener, nullptr, nullptr)) >= 0, "accept");  // inherits the options
    ::close(listener);
  } else {
    require(::inet_pton(AF_INET, options.host.c_str(), &address.sin_addr) == 1, "not an IPv4 address");
    for (int& one : all) {
      one = make_socket(options);
      for (int attempt = 0; ::connect(one, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0; ++attempt) {
        require(errno == ECONNREFUSED && attempt < 100, "connect");
        ::usleep(100000);
        ::close(one);
        one = make_socket(options);
      }
    }
  }
  return all;
}

/// One exchange: the connections pull pieces from what is left to send, so a fast one takes more.
void exchange(const std::vector<int>& connections, std::size_t bytes, std::vector<char>* buffer) {
  std::size_t to_send = bytes, to_receive = bytes;
  std::vector<pollfd> fds(connections.size());
  std::vector<bool> ended(connections.size(), false);
  while (to_send > 0 || to_receive > 0) {
    for (std::size_t i = 0; i < fds.size(); ++i)
      fds[i] = {ended[i] ? -1 : connections[i], static_cast<short>((to_receive > 0 ? POLLIN : 0) | (to_send > 0 ? POLLOUT : 0)), 0};
    require(::poll(fds.data(), fds.size(), 10000) > 0, "nothing moved for 10 s");
    for (const pollfd& fd : fds) {
      if (fd.revents & POLLIN && to_receive > 0) {
        const ssize_t got = ::recv(fd.fd, buffer->data(), std::min(kPiece, to_receive), MSG_DONTWAIT);
        require(got >= 0 || errno == EAGAIN, "the other end failed");
        if (got > 0) to_receive -= static_cast<std::size_t>(got);
        if (got == 0) ended[static_cast<std::size_t>(&fd - fds.data())] = true;  // it is done; what it sent may wait in the others
      }
      if (fd.revents & POLLOUT && to_send > 0) {
        const ssize_t sent = ::send(fd.fd, buffer->data(), std::min(kPiece, to_send), MSG_DONTWAIT | MSG_NOSIGNAL);
        require(sent >= 0 || errno == EAGAIN, "send");
        if (sent > 0) to_send -= static_cast<std::size_t>(sent);
      }
    }
  }
}

int run(const Options& options) {
  const std::vector<int> connections = connect_all(options);
  std::vector<char> buffer(kPiece);
  std::vector<double> times;
  for (int i = 0; i < options.warmup; ++i) exchange(connections, options.bytes, &buffer);
  const double cpu = cpu_seconds();
  for (int i = 0; i < options.iterations; ++i) {
    const auto begin = Clock::now();
    exchange(connections, options.bytes, &buffer);
    times.push_back(std::chrono::duration<double>(Clock::now() - begin).count());
  }
  const double used = cpu_seconds() - cpu;
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2], gigabytes = static_cast<double>(options.bytes) * options.iterations / 1e9;
  const nlohmann::json result = {{"bytes", options.bytes}, {"connections", options.connections}, {"congestion", options.congestion},
                                 {"median_ms", median * 1e3}, {"best_ms", times.front() * 1e3}, {"worst_ms", times.back() * 1e3},
                                 {"goodput_mbps", static_cast<double>(options.bytes) * 8 / median / 1e6}, {"cpu_s_per_gb", used / gigabytes}};
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Exchanges bytes both ways over plain TCP sockets: what the transport is measured against");
  Options options;
  app.add_option("host", options.host, "the other end's IPv4 address; without: wait for it");
  app.add_option("--port", options.port)->capture_default_str();
  app.add_option("--connections", options.connections)->capture_default_str()->check(CLI::Range(1, 256));
  app.add_option("--bytes", options.bytes, "each way, an iteration")->transform(CLI::AsSizeValue(false));
  app.add_option("--iterations", options.iterations)->capture_default_str()->check(CLI::PositiveNumber);
  app.add_option("--warmup", options.warmup)->capture_default_str();
  app.add_option("--congestion", options.congestion)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return run(options);
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "socket_exchange: %s\n", failure.what());
    return 1;
  }
}
