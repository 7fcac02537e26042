// SPDX-License-Identifier: Apache-2.0
// Memory between two pages that nobody may touch: a single byte read or written beyond a buffer that lies flush with one of them
// ends the process at the instruction that did it.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>

namespace longhaul::test {

class GuardPages {
 public:
  explicit GuardPages(std::size_t most) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))), size_((most + page_ - 1) / page_ * page_) {
    void* memory = mmap(nullptr, size_ + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(static_cast<std::byte*>(memory) + page_, size_, PROT_READ | PROT_WRITE) != 0) {
      std::perror("guard pages");
      std::abort();
    }
    begin_ = static_cast<std::byte*>(memory) + page_;
  }
  GuardPages(const GuardPages&) = delete;
  GuardPages& operator=(const GuardPages&) = delete;
  ~GuardPages() { munmap(begin_ - page_, size_ + 2 * page_); }

  /// `bytes` that end where the forbidden page begins: at any alignment, then.
  std::byte* at_end(std::size_t bytes) { return begin_ + size_ - bytes; }
  /// `bytes` that begin where the forbidden page ends.
  std::byte* at_begin() { return begin_; }
  std::byte* place(std::size_t bytes, bool end) { return end ? at_end(bytes) : at_begin(); }

 private:
  std::size_t page_, size_;
  std::byte* begin_;
};

}  // namespace longhaul::test
