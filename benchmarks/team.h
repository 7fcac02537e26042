// SPDX-License-Identifier: Apache-2.0
// Team: how the ranks of a run synchronise and exchange measurements outside the timed calls. One object per rank.
// Three forms: threads of one process (exact, no bytes on the WAN), the library itself (where nothing else connects the
// sites), and MPI (setup_mpi.cpp). Both calls block until all ranks made them and throw Failure when another rank has
// failed.
#pragma once

#include <longhaul/longhaul.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

namespace longhaul::perf {

class DeviceBuffers;

class Team {
 public:
  virtual ~Team() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual void barrier() = 0;
  /// all: size() * bytes bytes in rank order.
  virtual void all_gather(const void* mine, void* all, std::size_t bytes) = 0;
  /// For who waits for other ranks by other means: throws where it is known that one has failed.
  virtual void check() {}
};

template <typename T>
std::vector<T> gather(Team& team, const T& mine) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<T> all(static_cast<std::size_t>(team.size()));
  team.all_gather(&mine, all.data(), sizeof(T));
  return all;
}

/// Shared by the threads of one process.
class ThreadHub {
 public:
  explicit ThreadHub(int size) : size_(size) {}
  int size() const { return size_; }
  void barrier();
  void all_gather(int rank, const void* mine, void* all, std::size_t bytes);
  void check();
  /// Wakes everybody, now and in future, with a Failure.
  void abort();

 private:
  const int size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  std::uint64_t generation_ = 0;
  bool aborted_ = false;
  std::vector<std::byte> slots_;
};

class ThreadTeam final : public Team {
 public:
  ThreadTeam(ThreadHub* hub, int rank) : hub_(hub), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return hub_->size(); }
  void barrier() override { hub_->barrier(); }
  void all_gather(const void* mine, void* all, std::size_t bytes) override {
    hub_->all_gather(rank_, mine, all, bytes);
  }
  void check() override { hub_->check(); }

 private:
  ThreadHub* hub_;
  int rank_;
};

class LibraryTeam final : public Team {
 public:
  explicit LibraryTeam(lhComm_t comm);
  ~LibraryTeam() override;
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void barrier() override;
  void all_gather(const void* mine, void* all, std::size_t bytes) override;
  void check() override;

 private:
  DeviceBuffers& buffers(std::size_t bytes);
  void finish();

  lhComm_t comm_;
  int rank_ = 0;
  int size_ = 0;
  int device_ = -1;
  // Of a device communicator, which takes nothing from host memory: what is exchanged goes through its GPU.
  std::unique_ptr<DeviceBuffers> buffers_;
  std::size_t buffer_bytes_ = 0;
};

}  // namespace longhaul::perf
