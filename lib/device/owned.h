// SPDX-License-Identifier: Apache-2.0
// Owners of what a GPU's context holds: streams, events, device memory, pinned host memory. All are made and destroyed with that
// context current (Current). Move-only; a moved-from one owns nothing.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "device/gpu.h"

namespace longhaul::device {

/// Of the GPU's highest priority, and not synchronised with the legacy default stream.
class Stream {
 public:
  static Result<Stream> make(std::shared_ptr<const Gpu> gpu);
  Stream(Stream&& other) noexcept : gpu_(std::move(other.gpu_)), stream_(std::exchange(other.stream_, nullptr)) {}
  Stream& operator=(Stream&&) = delete;
  ~Stream() {
    if (stream_) gpu_->cuda().stream_destroy(stream_);
  }

  CuStream get() const { return stream_; }
  Status copy(void* to, const void* from, std::size_t bytes) const;
  Status copy(CuPointer to, CuPointer from, std::size_t bytes) const;
  /// The stream stops until `*word`, which is pinned, has reached `value`.
  Status wait(const std::uint32_t* word, std::uint32_t value) const;
  Status write(std::uint32_t* word, std::uint32_t value) const;
  /// Whether everything in it is done; errors of what it did are found here.
  Result<bool> idle() const;

 private:
  Stream(std::shared_ptr<const Gpu> gpu, CuStream stream) : gpu_(std::move(gpu)), stream_(stream) {}
  std::shared_ptr<const Gpu> gpu_;
  CuStream stream_;
};

class Event {
 public:
  /// `timed`: with a time stamp, which costs a little more.
  static Result<Event> make(std::shared_ptr<const Gpu> gpu, bool timed = false);
  Event(Event&& other) noexcept : gpu_(std::move(other.gpu_)), event_(std::exchange(other.event_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(gpu_, other.gpu_);
    std::swap(event_, other.event_);
    return *this;
  }
  ~Event() {
    if (event_) gpu_->cuda().event_destroy(event_);
  }

  Status record(CuStream stream) { return gpu_->check(gpu_->cuda().event_record(event_, stream), "cuEventRecord"); }
  /// Whether the stream has come to where the event was recorded.
  Result<bool> reached() const;
  /// Time from `earlier` to this one, both timed; nothing while one of them has not been reached, or where the GPU has failed.
  std::optional<TimeNs> since(const Event& earlier) const;

 private:
  Event(std::shared_ptr<const Gpu> gpu, CuEvent event) : gpu_(std::move(gpu)), event_(event) {}
  std::shared_ptr<const Gpu> gpu_;
  CuEvent event_;
};

/// Memory of the GPU.
class Memory {
 public:
  static Result<Memory> make(std::shared_ptr<const Gpu> gpu, std::size_t bytes);
  Memory(Memory&& other) noexcept : gpu_(std::move(other.gpu_)), pointer_(std::exchange(other.pointer_, 0)) {}
  Memory& operator=(Memory&&) = delete;
  ~Memory() {
    if (pointer_) gpu_->cuda().memory_free(pointer_);
  }
  std::byte* get() const { return reinterpret_cast<std::byte*>(pointer_); }  ///< not to be read by the host
  /// What is still in use by a GPU that does not answer must not be freed.
  void abandon() { pointer_ = 0; }

 private:
  Memory(std::shared_ptr<const Gpu> gpu, CuPointer pointer) : gpu_(std::move(gpu)), pointer_(pointer) {}
  std::shared_ptr<const Gpu> gpu_;
  CuPointer pointer_;
};

/// Host memory that every GPU reads and writes at the host's address.
class Pinned {
 public:
  static Result<Pinned> make(std::shared_ptr<const Gpu> gpu, std::size_t bytes);
  Pinned(Pinned&& other) noexcept : gpu_(std::move(other.gpu_)), memory_(std::exchange(other.memory_, nullptr)) {}
  Pinned& operator=(Pinned&&) = delete;
  ~Pinned() {
    if (memory_) gpu_->cuda().host_free(memory_);
  }
  std::byte* get() const { return static_cast<std::byte*>(memory_); }
  void abandon() { memory_ = nullptr; }

 private:
  Pinned(std::shared_ptr<const Gpu> gpu, void* memory) : gpu_(std::move(gpu)), memory_(memory) {}
  std::shared_ptr<const Gpu> gpu_;
  void* memory_;
};

}  // namespace longhaul::device
