// SPDX-License-Identifier: Apache-2.0
// The job secret: reading it, and where it may be missing. Its bytes appear in no text.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/config.h"

namespace longhaul::config {

constexpr std::size_t kMinSecretBytes = 16;
constexpr std::size_t kMaxSecretBytes = 4096;

struct Secret {
  std::vector<std::byte> bytes;
  std::optional<std::string> warning;  ///< others than the owner can read the file
};

/// The content of the file without line ends at its end.
Result<Secret> read_secret(const std::string& path);

/// 127.0.0.0/8 or "localhost".
bool is_loopback(const std::string& host);
/// An error unless a job without secret is allowed: on loopback addresses only, or with encryption=off said explicitly.
Status check_no_secret(const std::vector<Site>& sites, const Wan& wan);

}  // namespace longhaul::config
