// SPDX-License-Identifier: Apache-2.0
// The process environment; see environment.h.
#include "config/environment.h"

#include <unistd.h>

#include <cstdlib>

namespace longhaul::config {

std::optional<std::string> ProcessEnvironment::operator()(const char* name) const {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  return value;
}

std::vector<std::string> ProcessEnvironment::names() {
  std::vector<std::string> names;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    names.push_back(text.substr(0, text.find('=')));
  }
  return names;
}

Environment process_environment() { return ProcessEnvironment{}; }

std::optional<std::string> variable(const Environment& environment, const char* name) {
  std::optional<std::string> value = environment ? environment(name) : std::nullopt;
  if (value && value->empty()) value.reset();
  return value;
}

}  // namespace longhaul::config
