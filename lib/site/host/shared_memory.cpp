// SPDX-License-Identifier: Apache-2.0
// memfd and mmap. Nothing about the file of another process is believed before it was asked from the kernel.
#include "site/host/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

namespace longhaul::site {

namespace {
constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW;
}

SharedMemory::~SharedMemory() { ::munmap(memory_.data(), memory_.size()); }

Result<Fd> create_shared_file(std::size_t bytes) {
  Fd file(::memfd_create("longhaul", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!file.valid()) return error(lhSystemError, "cannot create shared memory: {}", std::strerror(errno));
  if (::ftruncate(file.get(), static_cast<off_t>(bytes)) != 0 || ::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0) {
    return error(lhSystemError, "cannot make {} bytes of shared memory: {}", bytes, std::strerror(errno));
  }
  return file;
}

Result<std::shared_ptr<SharedMemory>> map_shared_file(int file, std::size_t bytes) {
  struct stat info = {};
  const int seals = ::fcntl(file, F_GET_SEALS);
  if (seals < 0 || (seals & kSeals) != kSeals) {
    return error(lhRemoteError,
                 "the shared memory of the peer is not a sealed memfd: another version of this library?");
  }
  if (::fstat(file, &info) != 0 || static_cast<std::uint64_t>(info.st_size) != bytes) {
    return error(lhRemoteError,
                 "the shared memory of the peer has {} bytes instead of {}: another version of this library?",
                 static_cast<long long>(info.st_size), bytes);
  }
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (memory == MAP_FAILED) {
    return error(lhSystemError, "cannot map {} bytes of shared memory: {}", bytes, std::strerror(errno));
  }
  return std::make_shared<SharedMemory>(Bytes(static_cast<std::byte*>(memory), bytes));
}

}  // namespace longhaul::site
