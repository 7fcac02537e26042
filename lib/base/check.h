// SPDX-License-Identifier: Apache-2.0
// LH_CHECK: always-on check of local invariants. Never applied to anything a peer or a caller supplied: those are errors.
#pragma once

namespace longhaul {
[[noreturn]] void check_failed(const char* condition, const char* file, int line);
}  // namespace longhaul

#define LH_CHECK(condition) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::longhaul::check_failed(#condition, __FILE__, __LINE__))
