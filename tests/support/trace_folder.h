// SPDX-License-Identifier: Apache-2.0
// Communicators that are made while it lives write traces (LONGHAUL_TRACE) into a folder that goes with it.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/catch.h"

namespace longhaul::testing {

struct TraceFolder {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("longhaul-trace-" + std::to_string(::getpid()));
  TraceFolder() {
    std::filesystem::create_directories(path);
    ::setenv("LONGHAUL_TRACE", (path / "run").c_str(), 1);
  }
  TraceFolder(const TraceFolder&) = delete;
  TraceFolder& operator=(const TraceFolder&) = delete;
  ~TraceFolder() {
    ::unsetenv("LONGHAUL_TRACE");
    std::filesystem::remove_all(path);
  }
  nlohmann::json events(int rank) const {
    std::ifstream file(path / ("run.rank" + std::to_string(rank) + ".json"));
    REQUIRE(file.good());
    return nlohmann::json::parse(file).at("traceEvents");
  }
};

}  // namespace longhaul::testing
