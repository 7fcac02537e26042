// SPDX-License-Identifier: Apache-2.0
// Reads a small regular file as a whole. Never blocks on a pipe or device, never reads more than it was told to.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/status.h"

namespace longhaul::config {

struct FileContent {
  std::string bytes;
  mode_t mode = 0;
};

/// lhInvalidArgument with the path and the cause: missing, unreadable, not a regular file, larger than `most` bytes.
Result<FileContent> read_file(const std::string& path, std::size_t most);

}  // namespace longhaul::config
