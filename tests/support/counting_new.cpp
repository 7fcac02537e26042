// SPDX-License-Identifier: Apache-2.0
// In a file of its own: a compiler that sees through operator delete calls free() of new'ed memory a mistake.
#include "support/counting_new.h"

#include <cstdlib>
#include <new>

namespace longhaul::test {

std::atomic<bool> counting_allocations{false};
std::atomic<std::size_t> counted_allocations{0};

}  // namespace longhaul::test

namespace {

void* counted(std::size_t size, std::size_t alignment) {
  if (longhaul::test::counting_allocations.load(std::memory_order_relaxed)) ++longhaul::test::counted_allocations;
  void* memory = alignment ? std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment) : std::malloc(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return counted(size, 0); }
void* operator new[](std::size_t size) { return counted(size, 0); }
void* operator new(std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void* operator new[](std::size_t size, std::align_val_t alignment) { return counted(size, static_cast<std::size_t>(alignment)); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
