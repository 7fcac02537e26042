// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/machine.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <fstream>
#include <thread>

namespace longhaul::perf {
namespace {

std::string first_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "model name : X" of /proc/cpuinfo.
std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  std::array<char, 32> text{};
  gmtime_r(&now, &parts);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text.data();
}

}  // namespace

std::string host_name() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

nlohmann::ordered_json machine_json() {
  nlohmann::ordered_json json{{"time", utc_now()}, {"hostname", host_name()}};
  utsname system{};
  if (uname(&system) == 0) {
    json["kernel"] = std::string(system.sysname) + " " + system.release;
    json["architecture"] = system.machine;
  }
  json["cpu"] = cpu_model();
  json["cores"] = std::thread::hardware_concurrency();
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGE_SIZE);
  if (pages > 0 && page > 0)
    json["memory_bytes"] = static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(page);
  json["tcp_congestion_control"] = first_line("/proc/sys/net/ipv4/tcp_congestion_control");
  json["compiler"] = __VERSION__;
  return json;
}

const char* const* process_environment() { return environ; }

}  // namespace longhaul::perf
