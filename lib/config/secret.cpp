// SPDX-License-Identifier: Apache-2.0
// See secret.h.
#include "config/secret.h"

#include <sys/stat.h>

#include "base/bytes.h"
#include "config/read_file.h"
#include "config/suggest.h"
#include "config/units.h"

namespace longhaul::config {

Result<Secret> read_secret(const std::string& path) {
  auto file = read_file(path, kMaxSecretBytes + 2);
  if (!file.ok()) return file.take_status().with("secret_file");
  std::string& text = file->bytes;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (text.size() < kMinSecretBytes || text.size() > kMaxSecretBytes) {
    return error(lhInvalidArgument,
                 "secret_file {} holds a secret of {} bytes, must be {} to {}: make one with 'openssl rand -hex 32'",
                 in_quotes(path), text.size(), kMinSecretBytes, kMaxSecretBytes);
  }
  const ConstBytes bytes = as_bytes_of(text);
  Secret secret{{bytes.begin(), bytes.end()}, {}};
  if ((file->mode & (S_IRWXG | S_IRWXO)) != 0) {
    secret.warning =
        fmt::format("secret_file {} is open to other users of this machine: chmod 600 it", in_quotes(path));
  }
  return secret;
}

bool is_loopback(const std::string& host) { return host == "localhost" || (is_ipv4(host) && host.starts_with("127.")); }

Status check_no_secret(const std::vector<Site>& sites, const Wan& wan) {
  if (wan.encryption_off_explicit) return {};
  for (const Site& site : sites) {
    if (is_loopback(site.address.host)) continue;
    return error(
        lhInvalidArgument,
        "site {} at {} is not on this machine and there is no job secret: set $LONGHAUL_SECRET_FILE (or secret_file in "
        "the file) to a file with the same secret at every site, or say encryption=off in the wan settings to run "
        "without any protection",
        in_quotes(site.name), site.address.text());
  }
  return {};
}

}  // namespace longhaul::config
