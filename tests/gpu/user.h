// SPDX-License-Identifier: Apache-2.0
// The user's side of a GPU: streams, device memory and copies, on the double.
#pragma once

#include <algorithm>
#include <cstring>
#include <thread>
#include <vector>

#include "device/load.h"
#include "support/catch.h"
#include "support/gpu_double/double.h"

namespace longhaul::testing::gpu {

/// A user's thread on one device: its context and one stream.
class User {
 public:
  explicit User(int device) {
    auto loaded = device::load_cuda();
    REQUIRE(loaded.ok());
    cuda_ = *loaded;
    device_ = device;
    REQUIRE(cuda_->primary_retain(&context_, device) == 0);
    const InContext in(*this);
    REQUIRE(cuda_->stream_create(&stream_, device::kStreamNonBlocking, 0) == 0);
  }
  User(const User&) = delete;
  User& operator=(const User&) = delete;
  ~User() {
    const InContext in(*this);
    for (const device::CuPointer memory : memory_) cuda_->memory_free(memory);
    cuda_->stream_destroy(stream_);
    cuda_->primary_release(device_);
  }

  lhStream_t stream() const { return stream_; }

  template <typename T>
  T* allocate(std::size_t count) {
    const InContext in(*this);
    device::CuPointer memory = 0;
    REQUIRE(cuda_->memory_allocate(&memory, std::max<std::size_t>(1, count * sizeof(T))) == 0);
    memory_.push_back(memory);
    return reinterpret_cast<T*>(memory);
  }
  /// In the stream. `from` must stay until synchronize(). The double's memory is the host's, so that a plain copy does for both ends.
  template <typename T>
  void fill(T* to, const std::vector<T>& from) {
    synchronize();
    std::memcpy(to, from.data(), from.size() * sizeof(T));
  }
  template <typename T>
  std::vector<T> read(const T* from, std::size_t count) {
    synchronize();
    return std::vector<T>(from, from + count);
  }
  void synchronize() const {
    while (cuda_->stream_query(stream_) == device::kCudaNotReady) std::this_thread::yield();
  }

 private:
  struct InContext {
    explicit InContext(const User& of) : user(of) { user.cuda_->context_push(user.context_); }
    ~InContext() {
      device::CuContext popped = nullptr;
      user.cuda_->context_pop(&popped);
    }
    const User& user;
  };

  std::shared_ptr<const device::Cuda> cuda_;
  int device_ = 0;
  device::CuContext context_ = nullptr;
  device::CuStream stream_ = nullptr;
  std::vector<device::CuPointer> memory_;
};

}  // namespace longhaul::testing::gpu
