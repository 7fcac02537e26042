// SPDX-License-Identifier: Apache-2.0
// What this process has used so far, as the kernel counts it.
#pragma once

#include <sys/resource.h>

namespace longhaul::perf {

/// Seconds of processor time of all threads, in user mode and in the kernel.
inline double cpu_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<double>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + static_cast<double>(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

}  // namespace longhaul::perf
