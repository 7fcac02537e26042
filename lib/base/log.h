// SPDX-License-Identifier: Apache-2.0
// Diagnostics for people, on stderr only (the library never writes to stdout). $LONGHAUL_LOG = off | error | warn | info |
// debug; default warn. Never on the data path. Secrets and payload never reach it.
#pragma once

#include <string>

namespace longhaul {

void log_error(const std::string& text);
void log_warn(const std::string& text);
void log_info(const std::string& text);
void log_debug(const std::string& text);
bool log_debug_enabled();

}  // namespace longhaul
