// SPDX-License-Identifier: Apache-2.0
// Text that came from a peer, made fit for logs and error messages.
#pragma once

#include <string>
#include <string_view>

namespace longhaul::security {

/// At most `most` characters; everything but printable ASCII (and line ends where kept) becomes '?'.
inline std::string printable(std::string_view text, std::size_t most, bool keep_line_ends = false) {
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if ((c < ' ' || c > '~') && !(keep_line_ends && c == '\n')) c = '?';
  }
  return out;
}

}  // namespace longhaul::security
