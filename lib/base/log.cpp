// SPDX-License-Identifier: Apache-2.0
// One spdlog logger of our own (never the process's default one), made on first use.
#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <cstdlib>
#include <memory>

namespace longhaul {
namespace {

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> instance = [] {
    auto made = std::make_shared<spdlog::logger>("longhaul", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    const char* wanted = std::getenv("LONGHAUL_LOG");
    made->set_level(wanted ? spdlog::level::from_str(wanted) : spdlog::level::warn);
    made->set_pattern("%H:%M:%S.%e longhaul[%P] %l: %v");
    made->flush_on(spdlog::level::info);
    return made;
  }();
  return *instance;
}

}  // namespace

void log_error(const std::string& text) { logger().error(text); }
void log_warn(const std::string& text) { logger().warn(text); }
void log_info(const std::string& text) { logger().info(text); }
void log_debug(const std::string& text) { logger().debug(text); }
bool log_debug_enabled() { return logger().should_log(spdlog::level::debug); }

}  // namespace longhaul
