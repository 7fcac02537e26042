// SPDX-License-Identifier: Apache-2.0
// Owner of one mapping of anonymous shared memory (a memfd). The file is sealed against shrinking and growing before
// anyone else sees it, so that a peer cannot turn an access into SIGBUS by cutting it. Zero at first; unmapped on
// destruction.
#pragma once

#include <memory>

#include "base/bytes.h"
#include "base/fd.h"
#include "base/status.h"

namespace longhaul::site {

class SharedMemory {
 public:
  /// A mapping made elsewhere; takes over `memory`.
  explicit SharedMemory(Bytes memory) : memory_(memory) {}
  ~SharedMemory();
  SharedMemory(const SharedMemory&) = delete;  // one owner of the mapping
  SharedMemory& operator=(const SharedMemory&) = delete;

  Bytes bytes() const { return memory_; }

 private:
  Bytes memory_;
};

/// A sealed memfd of this size.
Result<Fd> create_shared_file(std::size_t bytes);
/// Maps a file from create_shared_file(), perhaps of another process: refuses one that is not sealed or has another
/// size.
Result<std::shared_ptr<SharedMemory>> map_shared_file(int file, std::size_t bytes);

}  // namespace longhaul::site
