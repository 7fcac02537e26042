// SPDX-License-Identifier: Apache-2.0
// Counts what operator new of the whole process does, in programs linked with counting_new.cpp.
#pragma once

#include <atomic>
#include <cstddef>

namespace longhaul::test {

extern std::atomic<bool> counting_allocations;
extern std::atomic<std::size_t> counted_allocations;

}  // namespace longhaul::test
